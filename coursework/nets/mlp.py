"""Fully connected nets."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


class MLP(nn.Sequential):
    """Linear layers with an activation between them and none after the last.

    Args:
        sizes: widths from input to output, at least two.
        activation: class of the activation.

    >>> import torch
    >>> MLP([3, 5, 2])(torch.zeros(4, 3)).shape
    torch.Size([4, 2])
    """

    def __init__(self, sizes: Sequence[int], activation: type[nn.Module] = nn.GELU) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), activation()]
        super().__init__(*layers[:-1])
