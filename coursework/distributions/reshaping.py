"""Maps of a flow that only move entries about: vectors from images, blocks to channels, channels that leave early."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from coursework.distributions.transform_module import PushTransform, TransformModule, pull, push


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
        rest_shape: tuple[int, ...],
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
