"""Flows on images: fully connected, convolutional with affine couplings, and convolutional on grey levels."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from coursework.distributions.coupling import ActNorm, AffineCoupling
from coursework.distributions.level_coupling import LevelCoupling
from coursework.distributions.reshaping import Flatten, Squeeze, TwoScales
from coursework.models.flow import Flow
from coursework.nets.gated import GatedConvNet
from coursework.nets.mlp import MLP


def checkerboard(shape: tuple[int, int]) -> Bool[Tensor, " pixel"]:
    """Every second pixel of an image, flat, neighbours never both."""
    rows, columns = torch.arange(shape[0])[:, None], torch.arange(shape[1])
    return ((rows + columns) % 2 == 0).flatten()


def dense_flow(
    shape: tuple[int, int],
    pixels: nn.Module,
    *,
    num_couplings: int,
    widths: tuple[int, ...],
    generator: torch.Generator,
) -> Flow:
    """A fully connected flow: couplings of MLPs over one half of the pixels each, in pairs that move both halves.

    The first pair halves the image like a checkerboard, where the kept pixels surround the moved ones; the later ones
    at random, so that what the first pair leaves is cut differently each time.

    Args:
        shape: of an image.
        pixels: grey levels to the line, pixel by pixel.
        num_couplings: an even number moves every pixel equally often.
        widths: of the MLPs' hidden layers.
        generator: of the random halves.

    Reference: Dinh et al., arXiv:1605.08803; fully connected as in Papamakarios et al., arXiv:1705.07057, section 4.
    """
    num_pixels = shape[0] * shape[1]
    half = checkerboard(shape)
    layers: list[nn.Module] = [pixels, Flatten(shape), ActNorm((num_pixels,))]
    for number in range(num_couplings):
        if number % 2 == 0 and number > 0:
            half = torch.randperm(num_pixels, generator=generator) < num_pixels // 2
        moved = half if number % 2 == 0 else ~half
        kept = int((~moved).sum())
        net = MLP([kept, *widths, 2 * (num_pixels - kept)], nn.ReLU)
        _start_at_zero(net[-1])
        layers.append(AffineCoupling(net, moved))
    return Flow(shape, layers)


def conv_flow(
    shape: tuple[int, int], pixels: nn.Module, *, num_couplings: tuple[int, int], channels: tuple[int, int], blocks: int
) -> Flow:
    """A convolutional flow of two scales.

    The image is squeezed to four channels of half the side. Couplings there move two of them, by turns as the colours
    of a checkerboard and as the channels next to one another; two channels then leave. The others are squeezed to
    eight of a quarter of the side, and moved four at a time.

    Args:
        shape: of an image, divisible by four.
        pixels: grey levels to the line, pixel by pixel.
        num_couplings: on the two scales.
        channels: of the nets' features on the two scales.
        blocks: gated blocks a net.

    Raises:
        ValueError: the image's sides are not divisible by four.

    Reference: Dinh et al., arXiv:1605.08803, sections 3.4 to 3.6.
    """
    _check_sides(shape)
    fine, coarse = ((4, shape[0] // 2, shape[1] // 2), (8, shape[0] // 4, shape[1] // 4))
    halves = {4: ([1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]), 8: ([1, 0] * 4, [0, 1] * 4)}
    stages = []
    for event, count, width in zip((fine, coarse), num_couplings, channels, strict=True):
        stage: list[nn.Module] = [ActNorm(event)]
        for number in range(count):
            moved = torch.tensor(halves[event[0]][number % len(halves[event[0]])], dtype=torch.bool)
            net = GatedConvNet(event[0] // 2, event[0], width, blocks, (event[1], event[2]))
            stage.append(AffineCoupling(net, moved, event_dim=3))
        stages.append(stage)
    squeezed = Squeeze(channel=False)
    start, *first = stages[0]
    scales = TwoScales(first, 2, [Squeeze(), *stages[1]], fine, coarse)
    return Flow(shape, [pixels, squeezed, start, scales])


def level_flow(
    images: UInt8[Tensor, "image height width"],
    *,
    channels: tuple[int, int],
    blocks: int,
    widths: tuple[int, ...],
    num_laws: int,
) -> Flow:
    """A convolutional flow whose couplings know grey levels, each by a net of the pixels that have not moved yet.

    The image is squeezed to four channels of half the side. Two of them, pixels with kept ones for neighbours, are
    moved one after the other, then a third; those three leave. The fourth is an image of half the side, on which the
    same happens. Its fourth is halved again and again by nets that are fully connected, until one pixel is left, whose
    law is the same for all images. Drawing runs the other way, from coarse to fine.

    Args:
        images: training images, for their histogram; sides divisible by four.
        channels: of the convolutional nets' features on the two scales.
        blocks: gated blocks a net.
        widths: of the fully connected nets' hidden layers.
        num_laws: of the mixture for each pixel.

    Raises:
        ValueError: the image's sides are not divisible by four.

    Reference: pixels in groups from coarse to fine, Reed et al., arXiv:1703.03664, there without a flow.
    """
    shape = (images.shape[1], images.shape[2])
    _check_sides(shape)
    fine, coarse = ((4, shape[0] // 2, shape[1] // 2), (4, shape[0] // 4, shape[1] // 4))
    stages = []
    for event, width in zip((fine, coarse), channels, strict=True):
        stage: list[nn.Module] = []
        for moved, seen in ((1, [0, 2, 3]), (2, [0, 3]), (0, [3])):
            net = GatedConvNet(2 * len(seen), num_laws, width, blocks, (event[1], event[2]))
            stage.append(LevelCoupling(net, _only(4, seen), _only(4, [moved]), images, num_laws, event_dim=3))
        stages.append(stage)
    rest: list[nn.Module] = [Flatten((1, *coarse[1:]))]
    for left, half in _halvings((coarse[1], coarse[2])):
        outputs = num_laws * int(half.sum())
        dense = _Same(outputs) if not left.any() else MLP([2 * int(left.sum()), *widths, outputs], nn.ReLU)
        _start_at_zero(dense if isinstance(dense, _Same) else dense[-1])
        rest.append(LevelCoupling(dense, left, half, images, num_laws))
    num_left = coarse[1] * coarse[2]
    inner = TwoScales(stages[1], 3, rest, coarse, (num_left,))
    return Flow(shape, [Squeeze(channel=False), TwoScales(stages[0], 3, [Squeeze(), inner], fine, (4 * num_left,))])


class _Same(nn.Module):
    """The same numbers for every example.

    Args:
        outputs: how many.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "batch input"]) -> Float[Tensor, "batch output"]:
        """The numbers, once per row of x."""
        return self.values.expand(len(x), -1)


def _halvings(shape: tuple[int, int]) -> Iterator[tuple[Bool[Tensor, " pixel"], Bool[Tensor, " pixel"]]]:
    """What is left and what moves, time after time half of the pixels that are left, on ever wider lattices."""
    rows, columns = torch.arange(shape[0])[:, None].expand(shape), torch.arange(shape[1]).expand(shape)
    left = torch.ones(shape, dtype=torch.bool)
    stride = 1
    while left.sum() > 1:
        for place in (rows + columns, rows):
            moved = left & (place % (2 * stride) == stride)
            left = left & ~moved
            if moved.any():
                yield left.flatten(), moved.flatten()
        stride *= 2
    yield torch.zeros_like(left).flatten(), left.flatten()


def _only(count: int, places: list[int]) -> Bool[Tensor, " entry"]:
    return torch.isin(torch.arange(count), torch.tensor(places))


def _check_sides(shape: tuple[int, int]) -> None:
    if any(side % 4 for side in shape):
        raise ValueError(f"shape = {shape}: two squeezes need sides divisible by four.")


def _start_at_zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
