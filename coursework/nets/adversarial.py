"""The two sides of an adversarial game on flat pixels: latents to images, images to one number each."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

_LEAK = 0.2


class ImageGenerator(nn.Sequential):
    """Latents to pixels on −1…1: linear layers, leaky ReLU between them, tanh after the last.

    Args:
        latent_dim: coordinates of a latent.
        widths: of the hidden layers.
        num_pixels: of an image.
        batch_norm: normalise every hidden layer but the first over the batch before its activation.

    >>> import torch
    >>> net = ImageGenerator(100, (128, 256, 512, 1024), 784)
    >>> [layer.out_features for layer in net if isinstance(layer, nn.Linear)]
    [128, 256, 512, 1024, 784]
    >>> net(torch.zeros(2, 100)).shape
    torch.Size([2, 784])
    """

    def __init__(
        self,
        latent_dim: int,
        widths: Sequence[int] = (128, 256, 512, 1024),
        num_pixels: int = 784,
        *,
        batch_norm: bool = True,
    ) -> None:
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise((latent_dim, *widths))):
            layers.append(nn.Linear(inputs, outputs))
            if batch_norm and number:
                layers.append(nn.BatchNorm1d(outputs))
            layers.append(nn.LeakyReLU(_LEAK))
        super().__init__(*layers, nn.Linear((latent_dim, *widths)[-1], num_pixels), nn.Tanh())


class ImageJudge(nn.Sequential):
    """Pixels to one number per image, a discriminator's logit or a critic's score: linear layers and leaky ReLU.

    No layer looks at more than one image, which the gradient penalty requires.

    Args:
        num_pixels: of an image.
        widths: of the hidden layers.
    """

    def __init__(self, num_pixels: int = 784, widths: Sequence[int] = (512, 256)) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((num_pixels, *widths)):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(_LEAK)]
        super().__init__(*layers, nn.Linear((num_pixels, *widths)[-1], 1))

    def forward(self, x: Float[Tensor, "*batch pixel"]) -> Float[Tensor, "*batch"]:
        """Logits or scores."""
        return super().forward(x)[..., 0]
