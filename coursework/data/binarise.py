"""Grey images as what a likelihood of pixels takes: four ways, each with its name, none of them a default."""

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor

from coursework.data.images import check_choice
from coursework.errors import DataError

BINARISATIONS = ("static", "dynamic", "threshold", "grey")
"""Drawn once with the grey value as probability; drawn anew each time; cut at the middle; left as they are."""

STATIC_SEED = {"train": 0, "test": 1}
"""Seeds of the one draw that `static` stands for, fixed for all runs: numbers of two runs are for the same images."""

TAKES = {"bernoulli": BINARISATIONS, "continuous-bernoulli": ("grey",)}
"""Likelihood → the binarisations that it can be given."""


def prepare(
    images: Num[Tensor, "image height width"], how: str, *, seed: int = STATIC_SEED["train"]
) -> UInt8[Tensor, "image height width"]:
    """Images as they are kept in memory, on 0…255: 0 or 255 where a binarisation is done once, grey otherwise.

    Args:
        images: grey values.
        how: one of `BINARISATIONS`.
        seed: of the one draw for `static`; the first rows of more images are those of fewer.

    Raises:
        ConfigError: `how` is unknown.
        DataError: the images are not grey values of type uint8.

    >>> prepare(torch.tensor([[[0, 127, 128, 255]]], dtype=torch.uint8), "threshold").flatten().tolist()
    [0, 0, 255, 255]
    """
    check_choice("binarisation", how, BINARISATIONS)
    if images.dtype != torch.uint8:
        raise DataError(
            f"images of type {images.dtype}: binarising takes grey values 0 to 255 of type uint8. Undo the scaling."
        )
    if how == "static":
        generator = torch.Generator().manual_seed(seed)
        return (torch.rand(images.shape, generator=generator) < images / 255).to(torch.uint8) * 255
    if how == "threshold":
        return (images >= 128).to(torch.uint8) * 255
    return images


def drawn(images: UInt8[Tensor, "batch height width"], how: str) -> Float[Tensor, "batch height width"]:
    """A batch of prepared images as pixels on 0…1; for `dynamic` a draw, from torch's random state."""
    x = images / 255
    return torch.bernoulli(x) if how == "dynamic" else x


def check_pixels(x: Float[Tensor, "*shape"], likelihood: str = "bernoulli") -> None:
    """Nothing, if a likelihood of pixels has a value for these.

    Raises:
        ConfigError: the likelihood is unknown.
        DataError: a pixel is not a number from 0 to 1; names the range met.
    """
    check_choice("likelihood", likelihood, tuple(TAKES))
    low, high = x.min().item(), x.max().item()
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"pixels from {low:g} to {high:g}: the likelihood {likelihood!r} takes 0 to 1. Divide grey values by 255, "
            "or undo a normalisation."
        )
