"""Images as pixels on −1…1 and back: what a tanh can make, and what noise is added to."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from coursework.errors import DataError


def signed(images: UInt8[Tensor, "*image"]) -> Float[Tensor, "*image"]:
    """Grey values 0…255 as numbers on −1…1.

    >>> signed(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images / 127.5 - 1


def unsigned(x: Float[Tensor, "*image"]) -> UInt8[Tensor, "*image"]:
    """The nearest grey values 0…255 of numbers on −1…1; what lies outside is cut to the nearer end.

    >>> unsigned(torch.tensor([-1.2, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def check_signed(x: Float[Tensor, "*image"], name: str = "images") -> None:
    """Nothing, when every pixel lies on −1…1.

    Raises:
        DataError: one does not, or is not a number; says the range found and how to mend it.
    """
    low, high = x.min().item(), x.max().item()
    if not (low >= -1 and high <= 1):
        raise DataError(
            f"{name}: pixels from {low:g} to {high:g}, expected −1 to 1. Convert grey values 0…255 with "
            "coursework.data.signed.signed, and numbers on 0…1 by 2x − 1."
        )
