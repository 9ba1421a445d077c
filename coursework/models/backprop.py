"""Back-propagation by hand, through fully connected nets of any depth and through a discriminator into its generator.

Examples are rows. Layer l of a net with L layers has weights W_l of shape (outputs, inputs) and computes

    A_l = H_{l−1} W_lᵀ + b_l    (batch, outputs),    H_l = φ_l(A_l),    H_0 the net's input.

With the error E_l = ∂loss/∂A_l, of the shape of A_l,

    ∂loss/∂W_l = E_lᵀ H_{l−1},    ∂loss/∂b_l = the sum of E_l over the batch,    ∂loss/∂H_{l−1} = E_l W_l,
    E_{l−1} = (E_l W_l) ∘ φ'_{l−1}(A_{l−1}).

For one example as a column these are δ_l hᵀ and Wᵀ δ ∘ φ'(a). Nothing here calls autograd.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Activation:
    """A function of each number by itself, and its derivative."""

    value: Function
    slope: Function


TANH = Activation(torch.tanh, lambda a: 1 - torch.tanh(a).square())
IDENTITY = Activation(lambda a: a, torch.ones_like)


def leaky_relu(leak: float) -> Activation:
    """max(a, leak·a) for a leak below 1; at 0 the slope is the leak, as torch has it."""
    return Activation(
        lambda a: torch.where(a > 0, a, leak * a),
        lambda a: torch.where(a > 0, torch.ones_like(a), torch.full_like(a, leak)),
    )


class Layer(NamedTuple):
    """W of shape (outputs, inputs), b of shape (outputs,), and what follows them."""

    weight: Float[Tensor, "output input"]
    bias: Float[Tensor, " output"]
    activation: Activation


class Pass(NamedTuple):
    """What a forward pass leaves for the way back: H_0 … H_L and A_1 … A_L."""

    outputs: tuple[Float[Tensor, "batch width"], ...]
    inputs: tuple[Float[Tensor, "batch width"], ...]


class Gradients(NamedTuple):
    """Of every W_l and b_l, in order, and of the net's own input."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    input: Tensor


def layers_of(net: nn.Sequential) -> list[Layer]:
    """The layers of a net of linear maps, leaky ReLU and tanh; the tensors are shared, without their gradients.

    Raises:
        ValueError: the net has a part of another kind.
    """
    out: list[Layer] = []
    for part in net:
        if isinstance(part, nn.Linear):
            out.append(Layer(part.weight.detach(), part.bias.detach(), IDENTITY))
        elif isinstance(part, nn.LeakyReLU | nn.Tanh) and out:
            activation = TANH if isinstance(part, nn.Tanh) else leaky_relu(part.negative_slope)
            out[-1] = out[-1]._replace(activation=activation)
        else:
            raise ValueError(
                f"{type(part).__name__}: only linear maps, leaky ReLU and tanh are differentiated by hand."
            )
    return out


def forward(layers: Sequence[Layer], x: Float[Tensor, "batch input"]) -> Pass:
    """All A_l and H_l for the rows of x."""
    outputs, inputs = [x], []
    for layer in layers:
        inputs.append(outputs[-1] @ layer.weight.T + layer.bias)
        outputs.append(layer.activation.value(inputs[-1]))
    return Pass(tuple(outputs), tuple(inputs))


def backward(layers: Sequence[Layer], done: Pass, gradient: Float[Tensor, "batch output"]) -> Gradients:
    """Gradients of a loss from that of the net's output H_L, layer by layer from the last to the first."""
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    for layer, a, before in zip(reversed(layers), reversed(done.inputs), reversed(done.outputs[:-1]), strict=True):
        error = gradient * layer.activation.slope(a)  # (batch, outputs)
        weights.append(error.T @ before)
        biases.append(error.sum(0))
        gradient = error @ layer.weight  # (batch, inputs)
    return Gradients(tuple(reversed(weights)), tuple(reversed(biases)), gradient)


def discriminator_gradients(
    discriminator: Sequence[Layer],
    x: Float[Tensor, "batch pixel"],
    fake: Float[Tensor, "batch pixel"],
    *,
    smooth: float = 1.0,
) -> Gradients:
    """Gradients of the value mean[s log D(x) + (1 − s) log(1 − D(x))] + mean log(1 − D(G(z))), to be *ascended*.

    At the logits they start from s − D(x) and −D(G(z)), each over the size of its batch.

    Args:
        discriminator: its last layer gives the logit.
        x: data.
        fake: generated images; `input` of what is returned is the gradient for these.
        smooth: target s for data.
    """
    on_data, on_fakes = forward(discriminator, x), forward(discriminator, fake)
    real = backward(discriminator, on_data, (smooth - on_data.outputs[-1].sigmoid()) / len(x))
    made = backward(discriminator, on_fakes, -on_fakes.outputs[-1].sigmoid() / len(fake))
    return Gradients(
        tuple(one + other for one, other in zip(real.weights, made.weights, strict=True)),
        tuple(one + other for one, other in zip(real.biases, made.biases, strict=True)),
        made.input,
    )


def generator_gradients(
    generator: Sequence[Layer],
    discriminator: Sequence[Layer],
    z: Float[Tensor, "batch latent"],
    *,
    saturating: bool = True,
) -> Gradients:
    """Gradients of the generator's loss, to be *descended*: through D down to its input, and on through G.

    The loss is mean log(1 − D(G(z))), whose gradient at the logit is −D; or −mean log D(G(z)), with D − 1.

    Args:
        generator: latents → pixels.
        discriminator: pixels → logit; its own weights get no gradient here.
        z: latents; `input` of what is returned is the gradient for these.
        saturating: the first of the two losses.
    """
    made = forward(generator, z)
    judged = forward(discriminator, made.outputs[-1])
    probability = judged.outputs[-1].sigmoid()
    at_logit = -probability if saturating else probability - 1
    at_image = backward(discriminator, judged, at_logit / len(z)).input  # ∂loss/∂G(z), (batch, pixel)
    return backward(generator, made, at_image)
