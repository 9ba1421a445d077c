"""Likelihood of images in bits per dimension, and the loss of a flow."""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from coursework.objectives import Terms


def bits_per_dim(log_density: Tensor, num_dims: int, *, levels_per_unit: float = 1.0) -> Tensor:
    r"""−log₂ of the probability of one image, per pixel: :math:`(-\log p(x)/D + \log \ell) / \log 2`.

    A probability is a density times a volume. On grey levels 0 … 256 a level has width one and nothing is added. For a
    density on 0 … 1 a level has width 1/256, and log₂ 256 = 8 is added; left out, the result is 8 too low and can even
    be negative, which no code length can.

    Args:
        log_density: log p(x), in nats, summed over pixels.
        num_dims: D.
        levels_per_unit: ℓ, grey levels per unit of x: 1 on 0 … 256, 256 on 0 … 1.

    >>> density_on_levels = torch.tensor(-784 * math.log(256))  # uniform on 0 … 256 in every pixel
    >>> round(bits_per_dim(density_on_levels, 784).item(), 6)
    8.0
    >>> bits_per_dim(torch.tensor(0.0), 784, levels_per_unit=256.0).item()  # uniform on 0 … 1, the same law
    8.0
    """
    return (math.log(levels_per_unit) - log_density / num_dims) / math.log(2)


def flow_loss(
    flow: nn.Module,
    dequantiser: nn.Module,
    images: Num[Tensor, "batch *image"],
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, ""], Terms]:
    """Mean over images of the bound on bits/dim from one draw of noise, −(log p(x + u) − log q(u|x)) / (D log 2).

    Args:
        flow: with `log_prob` over grey levels 0 … 256 and `num_dims`.
        dequantiser: images → (images with noise, log q of the noise).
        images: grey levels.
        generator: of the noise.

    Reference: Ho et al., arXiv:1902.00275, equation 12; derived here as `dequantisation-bound`.
    """
    x, log_q = dequantiser(images, generator)
    bits = bits_per_dim(flow.log_prob(x) - log_q, flow.num_dims)  # type: ignore[operator, arg-type]
    return bits.mean(), {"bits": bits}


@torch.no_grad()
def tightened_bits(
    flow: nn.Module,
    dequantiser: nn.Module,
    images: Num[Tensor, "image height width"],
    num_draws: int,
    generator: torch.Generator | None = None,
    *,
    at_once: int = 500,
) -> tuple[Float[Tensor, " image"], Float[Tensor, " image"]]:
    """Bits/dim per image: the bound, averaged over draws of the noise, and −log₂ of the mean of p/q over them.

    The second is never larger, falls with the number of draws, and tends to −log₂ P(image).

    Raises:
        ValueError: no draw.
    """
    if num_draws < 1:
        raise ValueError(f"num_draws = {num_draws}: give at least one draw of the noise.")
    bounds, tight = [], []
    for part in images.split(at_once):
        log_ratios = []
        for _ in range(num_draws):
            x, log_q = dequantiser(part, generator)
            log_ratios.append(flow.log_prob(x) - log_q)  # type: ignore[operator]
        stacked = torch.stack(log_ratios).double()  # (draw, image)
        log_mean = stacked.logsumexp(0) - math.log(num_draws)
        bounds.append(bits_per_dim(stacked.mean(0), flow.num_dims))  # type: ignore[arg-type]
        tight.append(bits_per_dim(log_mean, flow.num_dims))  # type: ignore[arg-type]
    return torch.cat(bounds).cpu(), torch.cat(tight).cpu()
