"""Noise that turns grey levels into real numbers, so that a density on them is a probability of them."""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


def check_levels(images: Num[Tensor, "batch *image"]) -> Num[Tensor, "batch *image"]:
    """The images themselves.

    Raises:
        ValueError: a pixel is not a whole number from 0 to 255.
    """
    if images.dtype == torch.uint8:
        return images
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 255 and bool((images == images.floor()).all())):
        raise ValueError(
            f"images with values from {low:g} to {high:g}: dequantisation takes whole grey levels 0…255. Multiply "
            "images on 0…1 by 255, and add no noise before."
        )
    return images


class UniformDequantiser(nn.Module):
    """u uniform on [0, 1) for every pixel, whatever the image."""

    def forward(
        self, images: Num[Tensor, "batch *image"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "batch *image"], Float[Tensor, " batch"]]:
        """X = image + u, and log q(u|image) = 0.

        Raises:
            ValueError: a pixel is not a whole number from 0 to 255.
        """
        levels = check_levels(images).float()
        return levels + torch.rand(levels.shape, generator=generator, device=levels.device), levels.new_zeros(
            len(levels)
        )


class VariationalDequantiser(nn.Module):
    """u = sigmoid(a + e^b · eps) with eps standard normal, a and b from a net of the image; uniform-like at the start.

    Args:
        net: images on −1…1, → a and b, one after the other on axis 1.
        flat: whether the net takes flat images; else it gets a channel axis.

    Reference: Ho et al., arXiv:1902.00275, section 3.1, with one affine layer as the noise's flow.
    """

    def __init__(self, net: nn.Module, *, flat: bool) -> None:
        super().__init__()
        self.net, self.flat = net, flat

    def forward(
        self, images: Num[Tensor, "batch *image"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "batch *image"], Float[Tensor, " batch"]]:
        """X = image + u with u from q(u|image), and log q(u|image) in nats.

        Raises:
            ValueError: a pixel is not a whole number from 0 to 255.
        """
        levels = check_levels(images).float()
        scaled = levels / 127.5 - 1
        raw = self.net(scaled.flatten(1) if self.flat else scaled[:, None])
        shift, log_scale = (part.reshape(levels.shape) for part in raw.chunk(2, 1))
        log_scale = _START + 2 * torch.tanh(log_scale / 2)
        eps = torch.randn(levels.shape, generator=generator, device=levels.device)
        y = shift + log_scale.exp() * eps
        log_q = -eps.square() / 2 - math.log(2 * math.pi) / 2 - log_scale - logsigmoid(y) - logsigmoid(-y)
        return levels + y.sigmoid().clamp(max=_BELOW_ONE), log_q.flatten(1).sum(1)


_START = math.log(1.7)
"""A normal variable of this spread, put through a sigmoid, is nearest to uniform."""

_BELOW_ONE = 1 - 2**-15
"""Largest noise: above it, a level of 255 in single precision would round up to 256."""
