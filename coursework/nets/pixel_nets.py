"""Pairs of nets for images: one from pixels to features, one from latents back to a logit per pixel."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from coursework.nets.mlp import MLP

ARCHITECTURES = ("mlp", "tanh", "deep-tanh", "cnn")
"""784-512-256-z, rectified; 784-500-z with a tanh decoder; 784-200-200-z, tanh; two strided convolutions."""

_CHANNELS = 16
_CONV_FEATURES = 128


class PixelNets(NamedTuple):
    """Both nets.

    Attributes:
        features: images (batch, height, width) on 0…1 → (batch, feature).
        num_features: their number.
        logits: latents (batch, latent) → (batch, height, width).
    """

    features: nn.Module
    num_features: int
    logits: nn.Module


def pixel_nets(architecture: str, latent_dim: int, image_shape: tuple[int, int] = (28, 28)) -> PixelNets:
    """The two nets of an architecture, with torch's random weights.

    Raises:
        ValueError: an unknown architecture, or for `cnn` a side that two strides of 2 do not divide.

    >>> nets = pixel_nets("mlp", 20)
    >>> nets.num_features, nets.logits(torch.zeros(3, 20)).shape
    (256, torch.Size([3, 28, 28]))
    """
    pixels = math.prod(image_shape)
    if architecture == "mlp":
        return _dense([pixels, 512, 256], latent_dim, image_shape, nn.ReLU, nn.ReLU)
    if architecture == "tanh":
        return _dense([pixels, 500], latent_dim, image_shape, nn.ReLU, nn.Tanh)
    if architecture == "deep-tanh":
        return _dense([pixels, 200, 200], latent_dim, image_shape, nn.Tanh, nn.Tanh)
    if architecture == "cnn":
        return _convolutional(latent_dim, image_shape)
    raise ValueError(f"architecture = {architecture!r}: known are {', '.join(ARCHITECTURES)}.")


@torch.no_grad()
def start_at_mean(logits: nn.Module, images: UInt8[Tensor, "image height width"]) -> None:
    """Set the last bias so that a net that knows nothing says the images' mean, pixel by pixel or as one number.

    Pixels that are always black or white are taken for a thousandth away from it.

    Args:
        logits: a net whose last layer with a bias is dense or convolutional.
        images: on 0…255.
    """
    *_, last = (part for part in logits.modules() if isinstance(part, nn.Linear | nn.ConvTranspose2d))
    assert last.bias is not None
    mean = images.float().mean(0).div(255).clamp(1e-3, 1 - 1e-3).flatten()
    last.bias.copy_(mean.logit() if len(last.bias) == len(mean) else mean.mean().logit())


def _dense(
    sizes: list[int], latent_dim: int, image_shape: tuple[int, int], inner: type[nn.Module], outer: type[nn.Module]
) -> PixelNets:
    features = nn.Sequential(nn.Flatten(), MLP(sizes, inner), inner())
    logits = nn.Sequential(MLP([latent_dim, *sizes[::-1]], outer), nn.Unflatten(1, image_shape))
    return PixelNets(features, sizes[-1], logits)


class _Last(nn.Module):
    """Drops the channel of images that have one."""

    def forward(self, x: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch height width"]:
        return x[:, 0]


def _convolutional(latent_dim: int, image_shape: tuple[int, int]) -> PixelNets:
    height, width = image_shape
    if height % 4 or width % 4:
        raise ValueError(f"image_shape = {image_shape}: two strides of 2 need sides divisible by 4.")
    few, many, grid = _CHANNELS, 2 * _CHANNELS, (height // 4, width // 4)
    cells = many * grid[0] * grid[1]
    features = nn.Sequential(
        nn.Unflatten(1, (1, height)),
        nn.Conv2d(1, few, 4, stride=2, padding=1),  # (batch, few, height/2, width/2)
        nn.ReLU(),
        nn.Conv2d(few, many, 4, stride=2, padding=1),  # (batch, many, height/4, width/4)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(cells, _CONV_FEATURES),
        nn.ReLU(),
    )
    logits = nn.Sequential(
        nn.Linear(latent_dim, _CONV_FEATURES),
        nn.ReLU(),
        nn.Linear(_CONV_FEATURES, cells),
        nn.ReLU(),
        nn.Unflatten(1, (many, *grid)),
        nn.ConvTranspose2d(many, few, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(few, 1, 4, stride=2, padding=1),
        _Last(),
    )
    return PixelNets(features, _CONV_FEATURES, logits)
