"""Affine maps of a flow: coupling layers, and the normalisation of activations."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import constraints

from coursework.distributions.transform_module import PushTransform


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
