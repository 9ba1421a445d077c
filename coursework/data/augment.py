"""More images from few: small shifts, turns, zooms, flips and changes of brightness, made ahead of training."""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def augment(
    images: UInt8[Tensor, "image height width"],
    copies: int,
    generator: torch.Generator,
    *,
    shift: float = 1.0,
    degrees: float = 4.0,
    zoom: float = 0.05,
    gain: float = 0.1,
    strength: float = 1.0,
) -> UInt8[Tensor, "more height width"]:
    """The images themselves, followed by `copies` altered versions of each.

    Every version is mirrored with probability ½, then moved, turned and zoomed by amounts drawn uniformly up to the
    given ones (bicubic, black outside), and its brightness multiplied by 1 ± gain.

    Args:
        images: 0…255.
        copies: altered versions per image, ≥ 0.
        generator: of the draws; on the CPU.
        shift: largest move in pixels, each axis.
        degrees: largest turn.
        zoom: largest relative change of size, each axis.
        gain: largest relative change of brightness.
        strength: factor on all four of them.

    Raises:
        ValueError: `copies` or `strength` is negative.
    """
    if copies < 0:
        raise ValueError(f"copies = {copies}: give 0 or more altered versions per image.")
    if strength < 0:
        raise ValueError(f"strength = {strength}: give 0, for copies that are mirrored at most, or more.")
    shift, degrees, zoom, gain = (strength * amount for amount in (shift, degrees, zoom, gain))
    made = [images]
    for _ in range(copies):
        theta = _draw_affine(images, generator, shift, math.radians(degrees), zoom)
        source = images[:, None].float()
        grid = affine_grid(theta, list(source.shape), align_corners=False)
        moved = grid_sample(source, grid, mode="bicubic", padding_mode="zeros", align_corners=False)[:, 0]
        brightness = 1 + gain * _uniform(len(images), generator)[:, None, None]
        made.append((moved * brightness).round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(made)


def _draw_affine(
    images: Tensor, generator: torch.Generator, shift: float, radians: float, zoom: float
) -> Float[Tensor, "image 2 3"]:
    count, height, width = images.shape
    angle = radians * _uniform(count, generator)
    across, down = 1 + zoom * _uniform(count, generator), 1 + zoom * _uniform(count, generator)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    right, below = (
        2 * shift / width * _uniform(count, generator),
        2 * shift / height * _uniform(count, generator),
    )
    cos, sin = angle.cos(), angle.sin()
    rows = [mirror * across * cos, -down * sin, right, mirror * across * sin, down * cos, below]
    return torch.stack(rows, 1).reshape(count, 2, 3)


def _uniform(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    """Draws from the uniform law on −1…1."""
    return 2 * torch.rand(count, generator=generator) - 1
