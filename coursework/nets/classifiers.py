"""Images to classes."""

from jaxtyping import Float
from torch import Tensor, nn


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
