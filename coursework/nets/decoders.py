"""Latents to images: a linear map, a local network, and their sum bounded to the range of pixels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LocalDecoder(nn.Module):
    """Latents to pixels through a grid of cells: a cell's `patch`² pixels come from its own and nearby features.

    A linear layer gives every cell `channels` features, rectified; a 3 × 3 convolution turns those of a cell and its
    neighbours into the cell's pixels (Shi et al., arXiv:1609.05158, sub-pixel convolution). Far fewer weights than a
    dense layer of as many hidden units, and as fast.

    Args:
        latent_dim: coordinates of a latent.
        channels: features per cell.
        image_shape: height and width.
        patch: side of a cell in pixels.

    Raises:
        ValueError: the image does not divide into cells.
    """

    def __init__(self, latent_dim: int, channels: int, image_shape: tuple[int, int] = (28, 28), patch: int = 4) -> None:
        super().__init__()
        height, width = image_shape
        if height % patch or width % patch:
            raise ValueError(f"image_shape = {image_shape} does not divide into cells of {patch} × {patch} pixels.")
        self.grid = (height // patch, width // patch)
        self.features = nn.Linear(latent_dim, channels * self.grid[0] * self.grid[1])
        self.pixels = nn.Conv2d(channels, patch**2, 3, padding=1)
        for weight, bias in (self.features.parameters(), self.pixels.parameters()):
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
            nn.init.zeros_(bias)
        self.shuffle = nn.PixelShuffle(patch)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch pixel"]:
        """Pixels, row after row."""
        cells = self.features(z).relu().unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)  # channels last in memory
        return self.shuffle(self.pixels(cells)).flatten(1)


class SkipDecoder(nn.Module):
    """Latents to images: a linear map plus a nonlinear one, bent to the range of pixels at the end.

    x = squash(W z + b + hidden(z)), where squash leaves 0…1 alone and flattens what lies outside to a slope of `leak`:
    most pixels of a picture are black or white, and a decoder that may overshoot need not spend latents on them. The
    linear map alone can reach what PCA reaches; `start_from` puts it there before training.

    Args:
        latent_dim: coordinates of a latent.
        hidden: latents → pixels, flat; None for the linear map alone.
        image_shape: height and width.
        linear: whether the linear map is there.
        leak: slope outside 0…1; 1 for no squashing. An attribute that a schedule may change.

    Raises:
        ValueError: neither a hidden part nor the linear map.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: nn.Module | None,
        image_shape: tuple[int, int] = (28, 28),
        *,
        linear: bool = True,
        leak: float = 0.01,
    ) -> None:
        super().__init__()
        if hidden is None and not linear:
            raise ValueError("hidden = None and linear = False leave no decoder: give one of them.")
        self.image_shape = image_shape
        self.leak = leak
        self.linear = nn.Linear(latent_dim, image_shape[0] * image_shape[1]) if linear else None
        self.hidden = hidden

    @torch.no_grad()
    def start_from(self, images: Float[Tensor, "image height width"], mean: float = 0.0, spread: float = 1.0) -> None:
        """Set the linear map to the images' principal components, and shrink the hidden part's last layer to a tenth.

        Column k becomes v_k·s_k, with v_k the unit component and s_k the standard deviation along it, so that
        uncorrelated latents of mean 0 and spread 1 decode to the images' mean and covariance. Components beyond what
        the images determine start at zero.

        Args:
            images: on 0…1.
            mean: of a latent coordinate under the prior.
            spread: its standard deviation there; both are allowed for, so that the images' moments stay.
        """
        rows = images.flatten(1)
        center = rows.mean(0)
        if self.hidden is not None:
            *_, last = (part for part in self.hidden.modules() if isinstance(part, nn.Linear | nn.Conv2d))
            last.weight.mul_(0.1)
            assert last.bias is not None
            last.bias.zero_()
            if self.linear is None and len(last.bias) == len(center):
                last.bias.copy_(center)
        if self.linear is not None:
            _, singular, components = torch.linalg.svd(rows - center, full_matrices=False)
            count = min(self.linear.in_features, len(singular))
            self.linear.weight.zero_()
            scales = singular[:count] / len(rows) ** 0.5
            self.linear.weight[:, :count] = components[:count].T * scales / spread
            self.linear.bias.copy_(center - mean * self.linear.weight.sum(1))

    @torch.no_grad()
    def linear_problem(
        self, images: Float[Tensor, "image height width"]
    ) -> tuple[nn.Linear, Float[Tensor, "image coordinate"]]:
        """The fit of latents to the linear map alone, in as few coordinates as there are: a net and its targets.

        With W = QR, ‖W z + b − x‖² = ‖R z − Qᵀ(x − b)‖² + a constant in z: the same minimum and the same gradients, at
        a cost that does not depend on the number of pixels.

        Raises:
            ValueError: there is no linear map.
        """
        if self.linear is None:
            raise ValueError("linear = False: there is no linear part to fit latents to.")
        basis, triangle = torch.linalg.qr(self.linear.weight)
        net = nn.Linear(triangle.shape[1], triangle.shape[0], bias=False)
        net.weight = nn.Parameter(triangle, requires_grad=False)
        return net, (images.flatten(1) - self.linear.bias) @ basis

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch height width"]:
        """Images of the latents, on 0…1 but for the leak."""
        flat = torch.zeros(()) if self.linear is None else self.linear(z)
        flat = flat if self.hidden is None else flat + self.hidden(z)
        return squash(flat, self.leak).unflatten(1, self.image_shape)


def squash(x: Float[Tensor, "*shape"], leak: float) -> Float[Tensor, "*shape"]:
    """Itself inside 0…1; outside, the nearer end plus `leak` times the distance beyond it.

    >>> squash(torch.tensor([-1.0, 0.25, 3.0]), 0.5).tolist()
    [-0.5, 0.25, 2.0]
    """
    inside = x.clamp(0, 1)
    return inside if leak == 0 else torch.lerp(inside, x, leak)
