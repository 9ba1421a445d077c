"""Images and a noise level to images: a small U-shaped convolutional net."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

_GROUPS = 4


class LevelEmbedding(nn.Module):
    """Numbers in 0…1 to features: sines and cosines of geometrically spaced frequencies, then two linear layers.

    Reference: Vaswani et al., arXiv:1706.03762, section 3.5; Ho et al., arXiv:2006.11239, appendix B.

    Args:
        features: what comes out; even.
        largest: highest angular frequency.
    """

    frequencies: Tensor

    def __init__(self, features: int, largest: float = 1000.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, math.log10(largest), features // 2), persistent=False)
        self.body = nn.Sequential(nn.Linear(2 * (features // 2), features), nn.SiLU(), nn.Linear(features, features))

    def forward(self, level: Float[Tensor, " batch"]) -> Float[Tensor, "batch feature"]:
        """Features of each level."""
        angles = level[:, None] * self.frequencies
        return self.body(torch.cat([angles.sin(), angles.cos()], 1))


class Block(nn.Module):
    """Two normalised 3 × 3 convolutions around their input, the level's features added between them.

    The second convolution starts at zero, so that the block starts as the identity.

    Args:
        channels: in and out; divisible by 4.
        features: of the level.
    """

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.before, self.after = nn.GroupNorm(_GROUPS, channels), nn.GroupNorm(_GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.level = nn.Linear(features, channels)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "batch channel height width"], level: Float[Tensor, "batch feature"]) -> Tensor:
        """The input plus what the block adds."""
        h = self.first(silu(self.before(x))) + self.level(silu(level))[:, :, None, None]
        return x + self.second(silu(self.after(h)))


class SmallUNet(nn.Module):
    """Images to images of one shape, given a level in 0…1: two resolutions, a half and a quarter of the sides.

    Pixels are first folded 2 × 2 into channels, and unfolded at the end: no convolution runs at full resolution, where
    it would cost four times as much.

    Args:
        channels: at half the sides, twice as many at a quarter; divisible by 4.
        image_shape: height and width, each divisible by 4.
        features: of the level's embedding.

    Raises:
        ValueError: a side or `channels` is not divisible by 4.

    >>> SmallUNet(8)(torch.zeros(2, 28, 28), torch.tensor([0.1, 0.9])).shape
    torch.Size([2, 28, 28])
    """

    def __init__(self, channels: int = 24, image_shape: tuple[int, int] = (28, 28), features: int = 64) -> None:
        super().__init__()
        if image_shape[0] % 4 or image_shape[1] % 4 or channels % _GROUPS:
            raise ValueError(f"image_shape = {image_shape}, channels = {channels}: all must be divisible by 4.")
        self.embed = LevelEmbedding(features)
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, channels, 3, padding=1))
        self.fine = Block(channels, features)
        self.down = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList([Block(2 * channels, features), Block(2 * channels, features)])
        self.up = nn.Sequential(nn.Conv2d(2 * channels, 4 * channels, 1), nn.PixelShuffle(2))
        self.merge = nn.Conv2d(2 * channels, channels, 1)
        self.last = Block(channels, features)
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.leave = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.PixelShuffle(2))
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "batch height width"], level: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch height width"]:
        """One number per pixel; zero before training."""
        embedded = self.embed(level)
        fine = self.fine(self.enter(x[:, None]), embedded)
        coarse = self.down(fine)
        for block in self.coarse:
            coarse = block(coarse, embedded)
        joined = self.merge(torch.cat([fine, self.up(coarse)], 1))
        return self.leave(silu(self.norm(self.last(joined, embedded))))[:, 0]
