"""Normalising flows on images of 8-bit grey levels: a fully connected one and a convolutional one of two scales."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, TransformedDistribution

from coursework.distributions.coupling import ActNorm, AffineCoupling, Flatten, Squeeze, TwoScales, pull, push
from coursework.nets.gated import GatedConvNet
from coursework.nets.mlp import MLP


class Flow(nn.Module):
    """Invertible maps between images with noise on them, 0 … 256 a pixel, and latents of the same dimension.

    Args:
        shape: of an image.
        transforms: from data to latent, each a torch transform and a module.
        base: law of the latent; None for the standard normal.
    """

    _place: Tensor

    def __init__(
        self, shape: tuple[int, ...], transforms: Iterable[nn.Module], base: Distribution | None = None
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.transforms = nn.ModuleList(transforms)
        self.base = base
        self.register_buffer("_place", torch.zeros(()), persistent=False)

    @property
    def num_dims(self) -> int:
        """Pixels of an image, the dimension of data and latent."""
        return math.prod(self.shape)

    def prior(self) -> Distribution:
        """Law of the latent, on the flow's device."""
        if self.base is not None:
            return self.base
        loc = torch.zeros(self.num_dims, device=self._place.device)
        return Independent(Normal(loc, torch.ones_like(loc)), 1)

    def forward(self) -> TransformedDistribution:
        """p(x) as a torch distribution: the prior, and every map backwards."""
        maps = [transform.inv for transform in reversed(self.transforms)]
        return TransformedDistribution(self.prior(), maps)  # type: ignore[arg-type]

    def normalise(self, x: Float[Tensor, "batch *image"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """The latent of x, and log |det ∂z/∂x|.

        Raises:
            ValueError: the images are not of the flow's shape.
        """
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"images of shape {tuple(x.shape[1:])} in a flow for {self.shape}: an invertible map has as many "
                "dimensions on both sides. Build the flow for the images' shape."
            )
        return push(self.transforms, x)  # type: ignore[arg-type]

    def generate(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch *image"]:
        """The image of z.

        Raises:
            ValueError: the latents do not have as many coordinates as images have pixels.
        """
        if z.shape[1:] != (self.num_dims,):
            raise ValueError(
                f"latents of shape {tuple(z.shape[1:])} in a flow for {self.shape}: give {self.num_dims} coordinates."
            )
        return pull(self.transforms, z)  # type: ignore[arg-type]

    def log_prob(self, x: Float[Tensor, "batch *image"]) -> Float[Tensor, " batch"]:
        """Log p(x) = log p(z) + log |det ∂z/∂x|, in nats, as a density over grey levels 0 … 256 of width one each.

        Raises:
            ValueError: as `normalise`.
        """
        z, log_det = self.normalise(x)
        return self.prior().log_prob(z) + log_det

    @torch.no_grad()
    def sample(
        self, num_images: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Float[Tensor, "image *shape"]:
        """Images of `num_images` latents from N(0, temperature²), grey levels 0…255.

        Args:
            num_images: how many.
            temperature: the latents' standard deviation; 1 draws from the model.
            generator: of the latents, on the CPU.
        """
        z = temperature * torch.randn(num_images, self.num_dims, generator=generator)
        parts = [self.generate(part.to(self._place.device)).cpu() for part in z.split(500)]
        return grey_levels(torch.cat(parts))

    @torch.no_grad()
    def start_from(self, x: Float[Tensor, "batch *image"]) -> None:
        """Start every activation normalisation from these images, in order."""
        for transform in self.transforms:
            if isinstance(transform, ActNorm):
                transform.start_from(x)
            x = transform(x)


def grey_levels(x: Float[Tensor, "*image"]) -> Float[Tensor, "*image"]:
    """Dequantised pixels back to whole grey levels 0…255."""
    return x.floor().clamp(0, 255)


def checkerboard(shape: tuple[int, int]) -> Bool[Tensor, " pixel"]:
    """Every second pixel of an image, flat, neighbours never both."""
    rows, columns = torch.arange(shape[0])[:, None], torch.arange(shape[1])
    return ((rows + columns) % 2 == 0).flatten()


def dense_flow(
    shape: tuple[int, int],
    pixels: nn.Module,
    *,
    num_couplings: int,
    widths: tuple[int, ...],
    generator: torch.Generator,
) -> Flow:
    """A fully connected flow: couplings of MLPs over one half of the pixels each, in pairs that move both halves.

    The first pair halves the image like a checkerboard, where the kept pixels surround the moved ones; the later ones
    at random, so that what the first pair leaves is cut differently each time.

    Args:
        shape: of an image.
        pixels: grey levels to the line, pixel by pixel.
        num_couplings: an even number moves every pixel equally often.
        widths: of the MLPs' hidden layers.
        generator: of the random halves.

    Reference: Dinh et al., arXiv:1605.08803; fully connected as in Papamakarios et al., arXiv:1705.07057, section 4.
    """
    num_pixels = shape[0] * shape[1]
    half = checkerboard(shape)
    layers: list[nn.Module] = [pixels, Flatten(shape), ActNorm((num_pixels,))]
    for number in range(num_couplings):
        if number % 2 == 0 and number > 0:
            half = torch.randperm(num_pixels, generator=generator) < num_pixels // 2
        moved = half if number % 2 == 0 else ~half
        kept = int((~moved).sum())
        net = MLP([kept, *widths, 2 * (num_pixels - kept)], nn.ReLU)
        _start_at_zero(net[-1])
        layers.append(AffineCoupling(net, moved))
    return Flow(shape, layers)


def conv_flow(
    shape: tuple[int, int], pixels: nn.Module, *, num_couplings: tuple[int, int], channels: tuple[int, int], blocks: int
) -> Flow:
    """A convolutional flow of two scales.

    The image is squeezed to four channels of half the side. Couplings there move two of them, by turns as the colours
    of a checkerboard and as the channels next to one another; two channels then leave. The others are squeezed to
    eight of a quarter of the side, and moved four at a time.

    Args:
        shape: of an image, divisible by four.
        pixels: grey levels to the line, pixel by pixel.
        num_couplings: on the two scales.
        channels: of the nets' features on the two scales.
        blocks: gated blocks a net.

    Raises:
        ValueError: the image's sides are not divisible by four.

    Reference: Dinh et al., arXiv:1605.08803, sections 3.4 to 3.6.
    """
    if any(side % 4 for side in shape):
        raise ValueError(f"shape = {shape}: two squeezes need sides divisible by four.")
    fine, coarse = ((4, shape[0] // 2, shape[1] // 2), (8, shape[0] // 4, shape[1] // 4))
    halves = {4: ([1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]), 8: ([1, 0] * 4, [0, 1] * 4)}
    stages = []
    for event, count, width in zip((fine, coarse), num_couplings, channels, strict=True):
        stage: list[nn.Module] = [ActNorm(event)]
        for number in range(count):
            moved = torch.tensor(halves[event[0]][number % len(halves[event[0]])], dtype=torch.bool)
            net = GatedConvNet(event[0] // 2, event[0], width, blocks, (event[1], event[2]))
            stage.append(AffineCoupling(net, moved, event_dim=3))
        stages.append(stage)
    squeezed = Squeeze(channel=False)
    start, *first = stages[0]
    scales = TwoScales(first, 2, [Squeeze(), *stages[1]], fine, coarse)
    return Flow(shape, [pixels, squeezed, start, scales])


def _start_at_zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
