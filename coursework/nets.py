"""Nets: tensors in, tensors out. They know no probability."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Sequential):
    """Linear layers with an activation between them and none after the last.

    Args:
        sizes: widths from input to output, at least two.
        activation: class of the activation.

    >>> MLP([3, 5, 2])(torch.zeros(4, 3)).shape
    torch.Size([4, 2])
    """

    def __init__(self, sizes: Sequence[int], activation: type[nn.Module] = nn.GELU) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), activation()]
        super().__init__(*layers[:-1])


class SkipDecoder(nn.Module):
    """Latents to images: a linear map plus an MLP, bent to the range of pixels at the end.

    x = squash(W z + b + MLP(z)), where squash leaves 0…1 alone and flattens what lies outside to a slope of `leak`:
    most pixels of a picture are black or white, and a decoder that may overshoot need not spend latents on them. The
    linear map alone can reach what PCA reaches; `start_from` puts it there before training.

    Args:
        latent_dim: coordinates of a latent.
        widths: hidden widths of the MLP, from the latent's side; empty for the linear map alone.
        image_shape: height and width.
        linear: whether the linear map is there.
        leak: slope outside 0…1; 1 for no squashing.

    Raises:
        ValueError: neither a hidden layer nor the linear map.
    """

    def __init__(
        self,
        latent_dim: int,
        widths: Sequence[int],
        image_shape: tuple[int, int] = (28, 28),
        *,
        linear: bool = True,
        leak: float = 0.01,
    ) -> None:
        super().__init__()
        if not widths and not linear:
            raise ValueError("widths = () and linear = False leave no decoder: give a width or keep the linear map.")
        pixels = image_shape[0] * image_shape[1]
        self.image_shape = image_shape
        self.leak = leak
        self.linear = nn.Linear(latent_dim, pixels) if linear else None
        self.mlp = MLP([latent_dim, *widths, pixels]) if widths else None

    @torch.no_grad()
    def start_from(self, images: Float[Tensor, "image height width"]) -> None:
        """Set the linear map to the principal components of `images` on 0…1, and the MLP's last layer to a tenth.

        Column k becomes v_k·√s_k, with v_k the unit component and s_k the standard deviation along it, so that the
        curvature of the squared error in z spreads less than the spectrum does. Components beyond what the images
        determine start at zero.
        """
        rows = images.flatten(1)
        center = rows.mean(0)
        if self.mlp is not None:
            last = self.mlp[-1]
            assert isinstance(last, nn.Linear)
            last.weight.mul_(0.1)
            last.bias.zero_()
            if self.linear is None:
                last.bias.copy_(center)
        if self.linear is not None:
            _, singular, components = torch.linalg.svd(rows - center, full_matrices=False)
            count = min(self.linear.in_features, len(singular))
            self.linear.weight.zero_()
            self.linear.weight[:, :count] = components[:count].T * (singular[:count] / len(rows) ** 0.5).sqrt()
            self.linear.bias.copy_(center)

    @torch.no_grad()
    def linear_codes(self, images: Float[Tensor, "image height width"]) -> Float[Tensor, "image latent"]:
        """Latents at which the linear map alone is nearest to the images, its columns taken as orthogonal.

        Right after `start_from` they are the images' principal component scores, rescaled. A column of zeros gives 0.

        Raises:
            ValueError: there is no linear map.
        """
        if self.linear is None:
            raise ValueError("linear = False: without a linear map there are no linear codes.")
        weight = self.linear.weight
        return (images.flatten(1) - self.linear.bias) @ weight / weight.square().sum(0).clamp(min=1e-12)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch height width"]:
        """Images of the latents, on 0…1 but for the leak."""
        flat = torch.zeros(()) if self.linear is None else self.linear(z)
        flat = flat if self.mlp is None else flat + self.mlp(z)
        return squash(flat, self.leak).unflatten(1, self.image_shape)


def squash(x: Float[Tensor, "*shape"], leak: float) -> Float[Tensor, "*shape"]:
    """Itself inside 0…1; outside, the nearer end plus `leak` times the distance beyond it.

    >>> squash(torch.tensor([-1.0, 0.25, 3.0]), 0.5).tolist()
    [-0.5, 0.25, 2.0]
    """
    inside = x.clamp(0, 1)
    return inside if leak == 0 else torch.lerp(inside, x, leak)


class ConvClassifier(nn.Module):
    """Two strided convolutions, a hidden layer of features, and one logit per class.

    Args:
        num_classes: logits.
        num_features: width of the hidden layer, the representation that `features` returns.
        image_shape: height and width, each divisible by 4.
    """

    def __init__(self, num_classes: int, num_features: int = 64, image_shape: tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        height, width = image_shape[0] // 4, image_shape[1] // 4
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),  # (batch, 16, height/2, width/2)
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),  # (batch, 32, height/4, width/4)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * height * width, num_features),
            nn.ReLU(),
        )
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch feature"]:
        """The hidden layer, images on 0…1."""
        return self.body(x[:, None])

    def forward(self, x: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch class"]:
        """Logits, images on 0…1."""
        return self.head(self.features(x))
