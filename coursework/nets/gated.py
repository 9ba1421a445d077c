"""Convolutional nets for couplings: residual blocks with gates, no normalisation over the batch."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GatedBlock(nn.Module):
    """x + a · sigmoid(b), where a and b come from two convolutions of x: a residual that can be closed.

    Args:
        channels: in and out.
        kernel: side of the first convolution's kernel; the second one's is 1.
    """

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.mix = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        """The block's output, of the input's shape."""
        value, gate = self.mix(self.spread(x.relu()).relu()).chunk(2, 1)
        return x + value * gate.sigmoid()


class GatedConvNet(nn.Module):
    """Kept channels to what a coupling needs for the moved ones; starts as the zero function.

    A learned map is added to the features, so that the net knows where in the image it is: the same blank pixel means
    one thing at the border and another in the middle.

    Args:
        inputs: channels in.
        outputs: channels out.
        channels: of the features.
        num_blocks: gated blocks.
        shape: height and width.
    """

    def __init__(self, inputs: int, outputs: int, channels: int, num_blocks: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, channels, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(channels, *shape))
        self.blocks = nn.Sequential(*[GatedBlock(channels) for _ in range(num_blocks)])
        self.leave = nn.Conv2d(channels, outputs, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """Raw log-scales and shifts, one after the other along the channels."""
        return self.leave(self.blocks(self.enter(x) + self.place).relu())
