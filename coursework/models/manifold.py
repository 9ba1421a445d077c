"""A plane of latents that the prior fills evenly."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal


def quantile_grid(side: int) -> Float[Tensor, "point 2"]:
    """Latents at evenly spaced quantiles of N(0, I₂), through the inverse of its distribution function, row by row.

    Quantiles are the middles of `side` equal parts: each point stands for as much of the prior as any other.

    Reference: Kingma and Welling, arXiv:1312.6114, appendix A.

    >>> quantile_grid(3)[4].tolist()
    [0.0, 0.0]
    """
    places = Normal(0.0, 1.0).icdf((torch.arange(side) + 0.5) / side)
    return torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)
