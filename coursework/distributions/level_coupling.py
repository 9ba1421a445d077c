"""A coupling that knows grey levels: the pixels it sees say how probable every level of the pixels it moves is."""

import math

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.distributions import constraints

from coursework.distributions.pixels import LEVELS
from coursework.distributions.transform_module import PushTransform

_FLOOR = 1e-3
"""Share of an even law over the levels in every mixture, so that no level is impossible."""

_SHARPNESS = 10.0
"""Factor on the laws' logits, so that Adam's steps change them as fast as they change what a net puts out."""

_FAR = 9.0
"""Largest distance in nats that the start of a law puts between a level and the histogram."""

_EDGE = 1e-12
"""Least distance of a rank from 0 and 1, whose quantiles are not finite."""

_BELOW_ONE = 1 - 2**-15
"""Largest noise on the way back: above it, single precision could round up to the next level."""


class LevelCoupling(PushTransform):
    r"""Moved pixels to the normal quantile of their rank, :math:`z_b = \Phi^{-1}(F(x_b \mid x_a))`.

    F is the distribution function of a mixture of laws over the grey levels, even within each of them. The laws are the
    same for all pixels and images; the net mixes them, for every moved pixel, from the pixels it sees. With m the mass
    of the pixel's level and φ the normal density, the log-determinant per pixel is log m − log φ(z): under a standard
    normal latent the density is that mass, and uniform noise costs nothing. The net sees levels without their noise:
    the map is differentiable but on their edges, and an error of the way back does not grow from one coupling to the
    next. Pixels are in grey levels 0 … 256. Computed in double precision: the tails need it.

    Args:
        net: two numbers per seen entry, its level and the level's rank, on −1…1, one after the other on the first event
            axis → logits of the laws, for the first one of all moved entries, for the second one, and so on.
        seen: which entries of the first event axis the net sees; none for a law that is the same for all images.
        moved: which entries move.
        images: training images, whose histogram the laws start from.
        num_laws: of the mixture, 2 or more: half of them start at the most frequent levels, the others all over.
        event_dim: axes of an event, 1 for vectors, 3 for (channel, height, width).

    Raises:
        ValueError: nothing moves, an entry moves that the net sees, or there are fewer than two laws.

    Reference: a distribution function as a coupling: Ho et al., arXiv:1902.00275, section 3.2.
    """

    seen: Tensor
    moved: Tensor
    rank: Tensor

    def __init__(
        self,
        net: nn.Module,
        seen: Bool[Tensor, " entry"],
        moved: Bool[Tensor, " entry"],
        images: UInt8[Tensor, "image height width"],
        num_laws: int,
        event_dim: int = 1,
    ) -> None:
        super().__init__()
        if (seen & moved).any() or not moved.any():
            raise ValueError(
                f"seen = {seen.tolist()}, moved = {moved.tolist()}: a coupling moves some entries, none that it sees."
            )
        if num_laws < 2:
            raise ValueError(f"num_laws = {num_laws}: give at least 2.")
        self.net, self.num_laws, self.dim = net, num_laws, -event_dim
        self.domain = self.codomain = constraints.independent(constraints.real, event_dim)
        self.register_buffer("seen", seen.nonzero()[:, 0])
        self.register_buffer("moved", moved.nonzero()[:, 0])
        share = torch.bincount(images.flatten().int(), minlength=LEVELS) / images.numel()
        inked = share.index_fill(0, torch.tensor([0]), 0.0)
        rank = (inked.cumsum(0) - inked / 2) / inked.sum().clamp(min=1e-6)
        self.register_buffer("rank", 2 * rank - 1)
        self.logits = nn.Parameter(_first_laws(share, num_laws) / _SHARPNESS)

    def push(self, x: Float[Tensor, "batch *event"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """The moved pixels' quantiles; the sum of log m − log φ over them."""
        weights, laws = self._mixture(x)
        pixel = x.index_select(self.dim, self.moved).double()
        level = pixel.floor().clamp(0, LEVELS - 1)
        below, mass = _rank_and_mass(level, weights, laws)
        z = torch.special.ndtri((below + (pixel - level) * mass).clamp(_EDGE, 1 - _EDGE))
        log_det = mass.log() + z.square() / 2 + math.log(2 * math.pi) / 2
        return x.index_copy(self.dim, self.moved, z.to(x.dtype)), log_det.flatten(1).sum(1).to(x.dtype)

    def _inverse(self, y: Tensor) -> Tensor:
        weights, laws = self._mixture(y)
        rank = torch.special.ndtr(y.index_select(self.dim, self.moved).double()).clamp(_EDGE, 1 - _EDGE)
        level = torch.zeros_like(rank)
        for step in (128, 64, 32, 16, 8, 4, 2, 1):  # the largest level whose lower edge is at or below the rank
            higher = level + step
            level = torch.where(_rank_and_mass(higher, weights, laws)[0] <= rank, higher, level)
        below, mass = _rank_and_mass(level, weights, laws)
        pixel = level + ((rank - below) / mass).clamp(0, _BELOW_ONE)
        return y.index_copy(self.dim, self.moved, pixel.to(y.dtype))

    def _mixture(self, x: Tensor) -> tuple[Float[Tensor, "batch *moved law"], Float[Tensor, "level law"]]:
        """Weights of the laws for every moved pixel, and the laws."""
        level = x.index_select(self.dim, self.seen).floor().clamp(0, LEVELS - 1)
        rank = self.rank[level.long()].to(x.dtype)
        raw = self.net(torch.cat([level * (2 / LEVELS) - 1, rank], self.dim))
        weights = raw.double().unflatten(self.dim, (self.num_laws, len(self.moved))).softmax(self.dim - 1)
        return weights.movedim(self.dim - 1, -1), (_SHARPNESS * self.logits.double()).softmax(0)


def _rank_and_mass(
    level: Float[Tensor, "batch *moved"],
    weights: Float[Tensor, "batch *moved law"],
    laws: Float[Tensor, "level law"],
) -> tuple[Tensor, Tensor]:
    """Rank of a level's lower edge, and the mass of the level."""
    below = laws.cumsum(0) - laws
    at = level.long()
    rank, mass = ((weights * table[at]).sum(-1) for table in (below, laws))
    return (1 - _FLOOR) * rank + _FLOOR * level / LEVELS, (1 - _FLOOR) * mass + _FLOOR / LEVELS


def _first_laws(share: Float[Tensor, " level"], num_laws: int) -> Float[Tensor, "level law"]:
    """Logits of laws that are the histogram near a level of their own."""
    num_sharp = num_laws // 2
    num_wide = num_laws - num_sharp
    sharp = share.argsort(descending=True, stable=True)[:num_sharp].to(share.dtype)
    places = torch.cat([sharp, torch.linspace(0, LEVELS - 1, num_wide)])
    widths = torch.cat([torch.full((num_sharp,), 0.5), torch.full((num_wide,), LEVELS / num_wide)])
    distance = (torch.arange(LEVELS)[:, None] - places) / widths
    return (share + 1e-5).log()[:, None] - (distance.square() / 2).clamp(max=_FAR)
