"""From grey levels to the whole line, pixel by pixel: what a flow on images starts with."""

import math

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from coursework.distributions.transform_module import TransformModule

LEVELS = 256
"""Grey levels of an 8-bit image; with noise of width one added to them, pixels fill 0 … 256."""

_EDGE = 1e-12
"""Least distance of a distribution function's value from 0 and 1: a noise of exactly 0 must not end at infinity."""


class PixelLogit(TransformModule):
    r"""The logit of a pixel moved inwards, :math:`y = \operatorname{logit} p`, :math:`p = \alpha/2 + (1-\alpha) x/256`.

    Its log-determinant per pixel is log(1 − α) − log 256 − log p − log(1 − p).

    Args:
        alpha: how far the ends of the range are moved in, so that they stay finite.

    Raises:
        ValueError: `alpha` is not inside (0, 1).

    Reference: Dinh et al., arXiv:1605.08803, section 4.1.
    """

    domain = constraints.interval(0.0, float(LEVELS))
    codomain = constraints.real

    def __init__(self, alpha: float) -> None:
        super().__init__()
        if not 0 < alpha < 1:
            raise ValueError(f"alpha = {alpha}: give a number inside (0, 1); at 0 a black pixel goes to infinity.")
        self.alpha = alpha

    def _call(self, x: Tensor) -> Tensor:
        p = self.alpha / 2 + (1 - self.alpha) * x / LEVELS
        return p.log() - torch.log1p(-p)

    def _inverse(self, y: Tensor) -> Tensor:
        return (y.sigmoid() - self.alpha / 2) * (LEVELS / (1 - self.alpha))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Per pixel, from y alone: −log p − log(1 − p) is softplus(y) + softplus(−y)."""
        return softplus(y) + softplus(-y) + (math.log1p(-self.alpha) - math.log(LEVELS))


class PixelQuantile(TransformModule):
    r"""Every pixel to the normal quantile of its rank, :math:`y = \Phi^{-1}(F_j(x))`, one F per pixel of the image.

    F is the distribution function of that pixel's dequantised grey level over the training images: its density is
    constant on each of the 256 levels. After this map each pixel by itself is standard normal, whatever its histogram
    was; what is left for the rest of a flow is how pixels depend on one another. The log-determinant per pixel is
    log F'(x) − log φ(y). Computed in double precision: the tails need it.

    Args:
        images: training images, 0…255.
        smoothing: images' worth of an even histogram added to each pixel's own, so that no level is impossible.

    Raises:
        ValueError: `smoothing` is not positive.
    """

    domain = constraints.interval(0.0, float(LEVELS))
    codomain = constraints.real
    mass: Tensor
    below: Tensor

    def __init__(self, images: UInt8[Tensor, "image height width"], smoothing: float) -> None:
        super().__init__()
        if not smoothing > 0:
            raise ValueError(f"smoothing = {smoothing}: give a positive number; at 0 unseen levels have no density.")
        num_pixels = images[0].numel()
        counts = torch.zeros(LEVELS * num_pixels, dtype=torch.float64)
        for part in images.flatten(1).cpu().split(2000):
            places = part.long() * num_pixels + torch.arange(num_pixels)
            counts += torch.bincount(places.flatten(), minlength=len(counts))
        mass = (counts.view(LEVELS, num_pixels) + smoothing / LEVELS) / (len(images) + smoothing)  # (level, pixel)
        self.register_buffer("mass", mass)
        self.register_buffer("below", torch.cat([torch.zeros_like(mass[:1]), mass.cumsum(0)]))  # (level + 1, pixel)

    def _levels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Grey level of every pixel of flat images, and the pixel's number."""
        return x.floor().long().clamp(0, LEVELS - 1), torch.arange(x.shape[-1], device=x.device).expand(x.shape)

    def _call(self, x: Tensor) -> Tensor:
        flat = x.flatten(-2).double()
        level, pixel = self._levels(flat)
        rank = self.below[level, pixel] + (flat - level) * self.mass[level, pixel]
        return torch.special.ndtri(rank.clamp(_EDGE, 1 - _EDGE)).to(x.dtype).view_as(x)

    def _inverse(self, y: Tensor) -> Tensor:
        flat = y.flatten(-2).double()
        rank = torch.special.ndtr(flat).clamp(_EDGE, 1 - _EDGE)
        columns = rank.reshape(-1, rank.shape[-1]).T.contiguous()  # (pixel, example)
        level = torch.searchsorted(self.below[1:].T.contiguous(), columns, right=True).T.reshape(rank.shape)
        level = level.clamp(max=LEVELS - 1)
        pixel = torch.arange(flat.shape[-1], device=y.device).expand(flat.shape)
        x = level + ((rank - self.below[level, pixel]) / self.mass[level, pixel]).clamp(0, 1)
        return x.clamp(max=LEVELS).to(y.dtype).view_as(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Per pixel: log of the level's mass, less the normal log-density of y."""
        level, pixel = self._levels(x.flatten(-2))
        log_mass = self.mass[level, pixel].log().to(y.dtype).view_as(y)
        return log_mass + y.square() / 2 + math.log(2 * math.pi) / 2
