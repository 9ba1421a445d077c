"""Nets: tensors in, tensors out. They know no probability."""

from collections.abc import Sequence

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
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), activation()]
        super().__init__(*layers[:-1])


class SkipDecoder(nn.Module):
    """Latents to images as a linear map plus an MLP: x = W z + b + MLP(z).

    The linear part alone can reach what PCA reaches; the MLP bends it. Without `linear` the net is the MLP alone.

    Args:
        latent_dim: coordinates of a latent.
        widths: hidden widths, from the latent's side; empty for the linear map alone.
        image_shape: height and width.
        linear: whether the linear map is there.

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
    ) -> None:
        super().__init__()
        if not widths and not linear:
            raise ValueError(
                "widths = () and linear = False leave no decoder: give a width or keep the linear map."
            )
        pixels = image_shape[0] * image_shape[1]
        self.image_shape = image_shape
        self.linear = nn.Linear(latent_dim, pixels) if linear else None
        self.mlp = MLP([latent_dim, *widths, pixels]) if widths else None

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch height width"]:
        """Images of the latents."""
        parts = [part(z) for part in (self.linear, self.mlp) if part is not None]
        return (
            torch.stack(parts).sum(0).unflatten(1, self.image_shape)
            if len(parts) > 1
            else parts[0].unflatten(1, self.image_shape)
        )


class ConvClassifier(nn.Module):
    """Two strided convolutions, a hidden layer of features, and one logit per class.

    Args:
        num_classes: logits.
        num_features: width of the hidden layer, the representation that `features` returns.
        image_shape: height and width, each divisible by 4.
    """

    def __init__(
        self, num_classes: int, num_features: int = 64, image_shape: tuple[int, int] = (28, 28)
    ) -> None:
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
