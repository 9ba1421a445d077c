"""A normalising flow on images of 8-bit grey levels."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, TransformedDistribution

from coursework.distributions.coupling import ActNorm
from coursework.distributions.transform_module import pull, push


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
