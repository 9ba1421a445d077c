"""A one-output convolution against an image of targets: the loss, its gradient in closed form, and two oracles."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def make_layer(weight: Float[Tensor, "row column"], bias: Float[Tensor, ""]) -> nn.Conv2d:
    """A real `nn.Conv2d` with one input channel, one output channel and the kernel `weight`."""
    layer = nn.Conv2d(1, 1, (weight.shape[0], weight.shape[1]), dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone()[None, None])
    layer.bias = nn.Parameter(bias.detach().clone()[None])
    return layer


def broadcast_loss(output: Float[Tensor, "*output"], y: Float[Tensor, "*target"]) -> Float[Tensor, ""]:
    """Sum of squared differences between an output and targets, stretched against each other by broadcasting."""
    return ((output - y) ** 2).sum()


def broadcast_gradients(
    weight: Float[Tensor, "row column"],
    bias: Float[Tensor, ""],
    x: Float[Tensor, "*batch 1 row column"],
    y: Float[Tensor, "*target"],
) -> tuple[Float[Tensor, "row column"], Float[Tensor, ""]]:
    r"""Gradients of the loss of the layer's output on `x` against `y`, in closed form, for weight and bias.

    The kernel is as large as the image, so each example has one output, s = ⟨weight, x⟩ + bias, of shape
    (…, 1, 1, 1). Broadcasting compares it with `count` targets, whose sum is `total`:
    ∂L/∂s = 2 (count · s − total), ∂L/∂weight = Σ ∂L/∂s · x, ∂L/∂bias = Σ ∂L/∂s, sums over the examples.

    Args:
        weight: the kernel.
        bias: the layer's one bias.
        x: images with a channel axis, with or without a batch axis.
        y: targets of any shape that broadcasts against the output.

    Returns:
        The gradient for the weight and the one for the bias.

    Raises:
        RuntimeError: the shapes do not broadcast.
    """
    s = (weight * x).sum((-2, -1), keepdim=True) + bias
    shape = torch.broadcast_shapes(s.shape, y.shape)
    count = shape.numel() // s.numel()
    total = y.expand(shape).sum_to_size(s.shape)
    slope = 2 * (count * s - total)
    return (slope * x).reshape(-1, *weight.shape).sum(0), slope.sum()


def autograd_gradients(
    weight: Float[Tensor, "row column"],
    bias: Float[Tensor, ""],
    x: Float[Tensor, "*batch 1 row column"],
    y: Float[Tensor, "*target"],
) -> tuple[Float[Tensor, "row column"], Float[Tensor, ""]]:
    """The same two gradients by reverse mode through the real layer; nothing of the closed form is used."""
    layer = make_layer(weight, bias)
    by_weight, by_bias = torch.autograd.grad(broadcast_loss(layer(x), y), list(layer.parameters()))
    return by_weight[0, 0], by_bias[0]


def difference_gradients(
    weight: Float[Tensor, "row column"],
    bias: Float[Tensor, ""],
    x: Float[Tensor, "*batch 1 row column"],
    y: Float[Tensor, "*target"],
    *,
    step: float = 2.0**-4,
) -> tuple[Float[Tensor, "row column"], Float[Tensor, ""]]:
    """The same two gradients by central differences of the loss, which are exact for a quadratic but for rounding."""

    def loss(parameters: Float[Tensor, " parameter"]) -> Float[Tensor, ""]:
        s = torch.einsum("...ij,ij->...", x, parameters[:-1].reshape(weight.shape)) + parameters[-1]
        return broadcast_loss(s[..., None, None], y)

    parameters = torch.cat([weight.flatten(), bias[None]])
    moves = step * torch.eye(len(parameters), dtype=weight.dtype)
    slopes = torch.stack([(loss(parameters + move) - loss(parameters - move)) / (2 * step) for move in moves])
    return slopes[:-1].reshape(weight.shape), slopes[-1]
