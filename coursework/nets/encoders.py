"""Images to features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConvEncoder(nn.Module):
    """Two strided convolutions and a hidden layer, and beside their features the pixels themselves.

    A linear map of what comes out contains every linear function of the image, so an encoder made of it can start at
    whatever linear projection fits best; the convolutions add what is not linear.

    Args:
        channels: of the first convolution; the second has twice as many.
        hidden: units of the hidden layer.
        image_shape: height and width, each divisible by 4.

    Raises:
        ValueError: a side is not divisible by 4.

    >>> net = ConvEncoder(2, 5, (8, 8))
    >>> net(torch.zeros(3, 8, 8)).shape, net.num_features
    (torch.Size([3, 69]), 69)
    """

    def __init__(self, channels: int = 16, hidden: int = 128, image_shape: tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError(f"image_shape = {image_shape}: two strides of 2 need sides divisible by 4.")
        self.num_features = hidden + height * width
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, stride=2, padding=1),  # (batch, channels, height/2, width/2)
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),  # (batch, 2·channels, height/4, width/4)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * (height // 4) * (width // 4), hidden),
            nn.ReLU(),
        )

    def forward(self, x: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch feature"]:
        """Hidden features, then pixels, images on 0…1."""
        return torch.cat([self.body(x[:, None]), x.flatten(1)], 1)
