"""Invertible maps with weights, as torch transforms: coupling, activation normalisation, squeezing, several scales.

Every map here runs from data towards the latent: calling it normalises, its `inv` generates.
"""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import pixel_shuffle, pixel_unshuffle


class TransformModule(Transform, nn.Module):
    """A torch transform that is a module too, so that it can hold weights and sit in a list of modules."""

    bijective = True
    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.real
    __hash__ = nn.Module.__hash__  # a class that defines equality has lost its own

    def __eq__(self, other: object) -> bool:
        """Whether both are the same object."""
        return self is other


class PushTransform(TransformModule):
    """A transform whose map and log-determinant come out of one computation, which is not made twice."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def push(self, x: Tensor) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """The image of x and log |det ∂y/∂x|, summed over the event."""

    def _call(self, x: Tensor) -> Tensor:
        y, log_det = self.push(x)
        self._seen = (x, log_det)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Float[Tensor, " batch"]:
        """Log |det ∂y/∂x| per example, of the last call if that was for this very x."""
        seen, self._seen = self._seen, None
        return seen[1] if seen is not None and seen[0] is x else self.push(x)[1]


def push(transforms: Iterable[Transform], x: Float[Tensor, "batch *event"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
    """X through the transforms in their order, and the sum of their log-determinants."""
    total = x.new_zeros(len(x))
    for transform in transforms:
        y = transform(x)
        total = total + transform.log_abs_det_jacobian(x, y).reshape(len(x), -1).sum(1)
        x = y
    return x, total


def pull(transforms: Iterable[Transform], y: Float[Tensor, "batch *event"]) -> Tensor:
    """Y back through the transforms, the last one first."""
    for transform in reversed(list(transforms)):
        y = transform.inv(y)
    return y


class AffineCoupling(PushTransform):
    r"""Keeps one part of the entries and moves the other, :math:`y_b = x_b e^{s(x_a)} + t(x_a)`, :math:`y_a = x_a`.

    The Jacobian is triangular, so its log-determinant is the sum of s, whatever the net computes; the inverse needs the
    net, not its inverse. The log-scale is bounded, s = bound · tanh(·) with one learned bound per moved row of the
    first event axis, so that no step can make it explode.

    Args:
        net: kept entries → raw log-scale and shift of the moved ones, one after the other on the first event axis.
        moved: which entries of the first event axis move.
        event_dim: axes of an event, 1 for vectors, 3 for (channel, height, width).

    Raises:
        ValueError: nothing moves, or nothing is kept.

    Reference: Dinh et al., arXiv:1605.08803, equations 4 to 8.
    """

    kept: Tensor
    moved: Tensor

    def __init__(self, net: nn.Module, moved: Bool[Tensor, " entry"], event_dim: int = 1) -> None:
        super().__init__()
        if moved.all() or not moved.any():
            raise ValueError(f"moved = {moved.tolist()}: a coupling keeps some entries and moves some.")
        self.net = net
        self.dim = -event_dim
        self.domain = self.codomain = constraints.independent(constraints.real, event_dim)
        self.register_buffer("kept", (~moved).nonzero()[:, 0])
        self.register_buffer("moved", moved.nonzero()[:, 0])
        self.bound = nn.Parameter(torch.ones(int(moved.sum()), *[1] * (event_dim - 1)))

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale and shift of the moved entries, from the kept ones."""
        raw, shift = self.net(x.index_select(self.dim, self.kept)).chunk(2, self.dim)
        return self.bound * raw.tanh(), shift

    def push(self, x: Float[Tensor, "batch *event"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """The moved entries scaled and shifted; the sum of the log-scales."""
        log_scale, shift = self._scale_and_shift(x)
        new = x.index_select(self.dim, self.moved) * log_scale.exp() + shift
        return x.index_copy(self.dim, self.moved, new), log_scale.flatten(1).sum(1)

    def _inverse(self, y: Tensor) -> Tensor:
        log_scale, shift = self._scale_and_shift(y)
        old = (y.index_select(self.dim, self.moved) - shift) * (-log_scale).exp()
        return y.index_copy(self.dim, self.moved, old)


class ActNorm(PushTransform):
    r"""An affine map of every entry by itself, :math:`y = (x - loc)\, e^{-log\_scale}`, started from data.

    It does what batch normalisation is wanted for in a flow, without a batch's statistics in the likelihood.

    Args:
        event_shape: of an example; one location and one scale per entry.

    Reference: Kingma and Dhariwal, arXiv:1807.03039, section 3.1, there per channel.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.domain = self.codomain = constraints.independent(constraints.real, len(event_shape))
        self.loc = nn.Parameter(torch.zeros(event_shape))
        self.log_scale = nn.Parameter(torch.zeros(event_shape))

    @torch.no_grad()
    def start_from(self, x: Float[Tensor, "batch *event"]) -> None:
        """Make these examples come out with mean 0 and variance 1 in every entry, those without spread left as wide."""
        self.loc.copy_(x.mean(0))
        spread = x.std(0)
        self.log_scale.copy_(torch.where(spread > 0, spread, 1.0).log())

    def push(self, x: Float[Tensor, "batch *event"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """Every entry normalised; the log-determinant is the same for all examples."""
        return (x - self.loc) * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(x))

    def _inverse(self, y: Tensor) -> Tensor:
        return y * self.log_scale.exp() + self.loc


class Flatten(TransformModule):
    """Images to vectors, row after row. The log-determinant is 0.

    Args:
        event_shape: of an image.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = event_shape
        self.domain = constraints.independent(constraints.real, len(event_shape))
        self.codomain = constraints.independent(constraints.real, 1)

    def _call(self, x: Tensor) -> Tensor:
        return x.flatten(-len(self.event_shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.unflatten(-1, self.event_shape)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Zero for every example."""
        return y.new_zeros(y.shape[:-1])

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what comes out."""
        return torch.Size((*shape[: -len(self.event_shape)], torch.Size(self.event_shape).numel()))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what goes in."""
        return torch.Size((*shape[:-1], *self.event_shape))


class Squeeze(TransformModule):
    """Blocks of 2 × 2 pixels to four channels of one; an image without channels gets one first.

    On the four channels of a squeezed image, moving the first and the last while the others are kept is moving one
    colour of a checkerboard. The log-determinant is 0.

    Args:
        channel: whether the input has a channel axis.
    """

    def __init__(self, *, channel: bool = True) -> None:
        super().__init__()
        self.channel = channel
        self.domain = constraints.independent(constraints.real, 3 if channel else 2)
        self.codomain = constraints.independent(constraints.real, 3)

    def _call(self, x: Tensor) -> Tensor:
        return pixel_unshuffle(x if self.channel else x.unsqueeze(-3), 2)

    def _inverse(self, y: Tensor) -> Tensor:
        x = pixel_shuffle(y, 2)
        return x if self.channel else x.squeeze(-3)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Zero for every example."""
        return y.new_zeros(y.shape[:-3])

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what comes out."""
        *before, channels, height, width = shape if self.channel else (*shape[:-2], 1, *shape[-2:])
        return torch.Size((*before, 4 * channels, height // 2, width // 2))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what goes in."""
        *before, channels, height, width = shape
        inside = (channels // 4,) if self.channel else ()
        return torch.Size((*before, *inside, 2 * height, 2 * width))


class TwoScales(PushTransform):
    """All channels through the first maps, some of them out as they are, the others through the rest.

    What leaves early is put in front of what comes out in the end, both flat: half of the latent is made with half of
    the work, and the coarser scale has the whole image in sight.

    Args:
        first: maps of the whole event.
        leaving: channels, the first ones, that leave after them.
        rest: maps of the remaining channels.
        event_shape: channel, height, width of what comes in.
        rest_shape: of what comes out of `rest`.

    Reference: Dinh et al., arXiv:1605.08803, section 3.6.
    """

    def __init__(
        self,
        first: Iterable[nn.Module],
        leaving: int,
        rest: Iterable[nn.Module],
        event_shape: tuple[int, int, int],
        rest_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.first, self.rest = nn.ModuleList(first), nn.ModuleList(rest)
        self.leaving, self.event_shape, self.rest_shape = leaving, event_shape, rest_shape
        self.domain = constraints.independent(constraints.real, 3)
        self.codomain = constraints.independent(constraints.real, 1)

    def push(self, x: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """Both parts of the latent, flat, and the sum of all log-determinants."""
        y, first = push(self.first, x)  # type: ignore[arg-type]
        z, rest = push(self.rest, y[:, self.leaving :])  # type: ignore[arg-type]
        return torch.cat([y[:, : self.leaving].flatten(1), z.flatten(1)], 1), first + rest

    def _inverse(self, y: Tensor) -> Tensor:
        height, width = self.event_shape[1:]
        early, late = y.split([self.leaving * height * width, y.shape[1] - self.leaving * height * width], 1)
        late = pull(self.rest, late.unflatten(1, self.rest_shape))  # type: ignore[arg-type]
        whole = torch.cat([early.unflatten(1, (self.leaving, height, width)), late], 1)
        return pull(self.first, whole)  # type: ignore[arg-type]

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what comes out."""
        return torch.Size((*shape[:-3], shape[-3:].numel()))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of what goes in."""
        return torch.Size((*shape[:-1], *self.event_shape))
