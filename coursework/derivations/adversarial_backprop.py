"""Back-propagation through a discriminator and into its generator, entry by entry."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.models.backprop import IDENTITY, TANH, Layer, backward, discriminator_gradients, forward

logit = sp.Symbol("a", real=True)
smooth, p, q, odds = sp.symbols("s p q u", positive=True)
_D = Named("D", 1 / (1 + sp.exp(-logit)))
_guess = Named("D", odds / (1 + odds))


def real_logit_gradient(logit: Tensor, smooth: Tensor) -> Tensor:
    """The discriminator's gradient at the logit of one image of the data, s − D."""
    identity = Layer(torch.ones(1, 1, dtype=logit.dtype), torch.zeros(1, dtype=logit.dtype), IDENTITY)
    x = logit.reshape(1, 1)
    found = discriminator_gradients([identity], x, x, smooth=float(smooth))
    return (found.biases[0] + torch.sigmoid(logit)).squeeze()  # less what the fake at the same logit adds


def real_logit_by_autograd(logit: Tensor, smooth: Tensor) -> Tensor:
    """The same from torch's cross-entropy."""
    place = logit.detach().clone().requires_grad_()
    loss = binary_cross_entropy_with_logits(place, torch.ones_like(place) * smooth)
    return -torch.autograd.grad(loss, place)[0]


@derivation(
    "real-logit-gradient",
    title="Discriminator's logit on data: gradient",
    of=r"\frac{\partial}{\partial a} \bigl(s \log D + (1 - s) \log(1 - D)\bigr)",
    implements=real_logit_gradient,
    arguments=(logit, smooth),
    oracles={"autograd through torch's cross-entropy": real_logit_by_autograd},
    instances=lambda rng: (float(rng.normal(0, 3)), float(rng.uniform(0.5, 1))),
)
def real_logit() -> Iterator[Step]:
    """D = 1/(1 + e^−a) at an image of the data, whose target is s; s = 1 without smoothing."""
    yield Step(
        sp.Derivative(smooth * sp.log(_D) + (1 - smooth) * sp.log(1 - _D), logit),
        because="what the discriminator ascends on one image of the data",
    )
    yield Step(smooth * (1 - _D) - (1 - smooth) * _D, because="$D' = D (1 - D)$")
    yield Step(smooth - _D, because="collected; with the target $s = 1$ it is $1 - D(x)$")


@derivation(
    "smoothed-discriminator",
    title="The best discriminator of a smoothed game",
    of=r"v_s",
    facts=(sp.Lt(smooth, 1),),
    uses=("best-discriminator",),
)
def smoothed_discriminator() -> Iterator[Step]:
    """At one point, with p = p(x) and q = q(x), as without smoothing: what any D loses is a divergence of two coins."""
    best = Named(r"D_s^{*}", smooth * p / (p + q))
    yield Step(
        p * (smooth * sp.log(_guess) + (1 - smooth) * sp.log(1 - _guess)) + q * sp.log(1 - _guess),
        because="the integrand $v_s$ of the smoothed value; any $D$ in $(0, 1)$, by its odds $u$",
    )
    yield Step(
        smooth * p * sp.log(_guess) + ((1 - smooth) * p + q) * sp.log(1 - _guess),
        because="collected: the weights add up to $p + q$ as before",
    )
    loss = best * sp.log(best / _guess) + (1 - best) * sp.log((1 - best) / (1 - _guess))
    yield Step(
        smooth * p * sp.log(best) + ((1 - smooth) * p + q) * sp.log(1 - best) - (p + q) * loss,
        because=r"with $D_s^{*} = s\,p/(p+q)$: never above $s$, and still zero where there are no data; smoothing the "
        "fakes' target too would put $q$ into the numerator",
    )


inputs, width, outputs = sp.symbols("n d m", integer=True, positive=True)
i, j, k, row, column = sp.symbols("i j k p q", integer=True, nonnegative=True)
W, a, b, delta = array("W", outputs, width), array("a", width), array("b", outputs), array(r"\delta", outputs)
_ROW, _COLUMN = sp.Le(row, outputs - 1), sp.Le(column, width - 1)


def _unit(unit: sp.Expr) -> Named:
    return Named("h", sp.tanh(a[unit]), unit)


def _after(unit: sp.Expr) -> Named:
    return Named("y", total(W[unit, j] * _unit(j), (j, width)) + b[unit], unit)


def _one_layer(part: str) -> Callable[..., Tensor]:
    def gradient(weight: Tensor, pre: Tensor, bias: Tensor, error: Tensor) -> Tensor:
        last = Layer(weight, bias, IDENTITY)
        below = Layer(torch.eye(len(pre), dtype=pre.dtype), torch.zeros_like(pre), TANH)
        found = backward([below, last], forward([below, last], pre[None]), error[None])
        return found.weights[1] if part == "weight" else found.biases[0]

    gradient.__qualname__ = "backward"
    gradient.__module__ = backward.__module__
    return gradient


def _one_layer_by_autograd(part: str) -> Callable[..., Tensor]:
    def gradient(weight: Tensor, pre: Tensor, bias: Tensor, error: Tensor) -> Tensor:
        places = {"weight": weight.detach().clone(), "pre": pre.detach().clone()}
        place = places[part].requires_grad_()
        y = torch.nn.functional.linear(torch.tanh(places["pre"]), places["weight"], bias)
        return torch.autograd.grad((error * y).sum(), place)[0]

    return gradient


def _layer_instances(rng: np.random.Generator) -> tuple[Any, ...]:
    d, m = (int(size) for size in rng.integers(1, 6, 2))
    return tuple(rng.standard_normal(shape) for shape in ((m, d), d, m, m))


@derivation(
    "layer-weight-gradient",
    title="A layer's weights: gradient",
    of=r"\frac{\partial L}{\partial W_{pq}}",
    facts=(_ROW, _COLUMN),
    implements=_one_layer("weight"),
    arguments=(W, a, b, delta),
    free_indices=(row, column),
    oracles={"autograd": _one_layer_by_autograd("weight")},
    instances=_layer_instances,
)
def layer_weight() -> Iterator[Step]:
    """The loss depends on y = W h + b, and δ is its gradient there, a vector of fixed numbers."""
    yield Step(
        sp.Derivative(total(delta[i] * _after(i), (i, outputs)), W[row, column]),
        because=r"to first order the loss is $\sum_i \delta_i y_i$, with $\delta_i = \partial L / \partial y_i$ held "
        "fixed",
    )
    yield Step(delta[row] * _unit(column), because=r"only $y_p$ holds this weight: as a matrix, $\delta\, h^\top$")


@derivation(
    "layer-error",
    title="The error one layer down",
    of=r"\frac{\partial L}{\partial a_q}",
    facts=(_COLUMN,),
    uses=("layer-weight-gradient",),
    implements=_one_layer("pre"),
    arguments=(W, a, b, delta),
    free_indices=(column,),
    oracles={"autograd": _one_layer_by_autograd("pre")},
    instances=_layer_instances,
)
def layer_error() -> Iterator[Step]:
    """The next δ: what the loss does when the input of an activation moves."""
    yield Step(
        sp.Derivative(total(delta[i] * _after(i), (i, outputs)), a[column]),
        because="the same first-order loss, as a function of what the activation $h = \\tanh a$ is given",
    )
    yield Step(
        total(delta[i] * W[i, column] * (1 - _unit(column) ** 2), (i, outputs)),
        because="every $y_i$ holds $h_q$, and $h_q$ holds $a_q$ alone",
    )
    yield Step(
        (1 - _unit(column) ** 2) * total(W[i, column] * delta[i], (i, outputs)),
        because=r"the slope taken out: as vectors, $(W^\top \delta) \circ \varphi'(a)$; the sum runs over the *rows* "
        "of $W$, which is the transpose",
    )


pixels, latents = sp.symbols("n r", integer=True, positive=True)
at_logit = sp.Symbol("e", real=True)
C, B, A, z = array("c", width), array("B", width, pixels), array("A", pixels, latents), array("z", latents)
_PIXEL, _LATENT = sp.Le(row, pixels - 1), sp.Le(column, latents - 1)


def _image(pixel: sp.Expr) -> Named:
    return Named("G", sp.tanh(total(A[pixel, j] * z[j], (j, latents))), pixel)


def _judged(unit: sp.Expr) -> Named:
    return Named("h", sp.tanh(total(B[unit, i] * _image(i), (i, pixels))), unit)


def small_game(c: Tensor, first: Tensor, made: Tensor) -> tuple[list[Layer], list[Layer]]:
    """A generator tanh(A z) and a discriminator with logit c · tanh(B x), without biases."""

    def zeros(weight: Tensor) -> Tensor:
        return torch.zeros(len(weight), dtype=weight.dtype)

    discriminator = [Layer(first, zeros(first), TANH), Layer(c[None], c.new_zeros(1), IDENTITY)]
    return [Layer(made, zeros(made), TANH)], discriminator


def generator_weight_gradient(c: Tensor, first: Tensor, made: Tensor, z: Tensor, e: Tensor) -> Tensor:
    """∂(e · logit of G(z))/∂A by `models.backprop`, e a fixed number."""
    generator, discriminator = small_game(c, first, made)
    image = forward(generator, z[None])
    judged = forward(discriminator, image.outputs[-1])
    at_image = backward(discriminator, judged, e.reshape(1, 1)).input
    return backward(generator, image, at_image).weights[0]


def generator_weight_by_autograd(c: Tensor, first: Tensor, made: Tensor, z: Tensor, e: Tensor) -> Tensor:
    """The same by autograd."""
    place = made.detach().clone().requires_grad_()
    logit = c @ torch.tanh(first @ torch.tanh(place @ z))
    return torch.autograd.grad(e * logit, place)[0]


def _game_instances(rng: np.random.Generator) -> tuple[Any, ...]:
    d, n, r = (int(size) for size in rng.integers(1, 5, 3))
    return (*(rng.standard_normal(shape) for shape in (d, (d, n), (n, r), r)), float(rng.standard_normal()))


@derivation(
    "generator-weight-gradient",
    title="Through D into G",
    of=r"\frac{\partial L}{\partial A_{pq}}",
    facts=(_PIXEL, _LATENT),
    uses=("saturating-slope", "other-slope", "layer-error", "layer-weight-gradient"),
    implements=generator_weight_gradient,
    arguments=(C, B, A, z, at_logit),
    free_indices=(row, column),
    oracles={"autograd": generator_weight_by_autograd},
    instances=_game_instances,
)
def generator_weight() -> Iterator[Step]:
    """A generator G = tanh(A z) against a discriminator with logit c · tanh(B x); e is ∂L/∂logit, −D or D − 1."""
    a_logit = Named("a", total(C[k] * _judged(k), (k, width)))
    yield Step(
        at_logit * sp.Derivative(a_logit, A[row, column]),
        because="$e$ is the gradient at the logit, $-D$ or $D - 1$ (saturating-slope, other-slope)",
    )
    yield Step(
        at_logit * total(C[k] * (1 - _judged(k) ** 2) * B[k, row] * (1 - _image(row) ** 2) * z[column], (k, width)),
        because="chain rule: of all pixels only $G_p$ holds $A_{pq}$",
    )
    at_image = Named(r"g", at_logit * total(B[k, row] * C[k] * (1 - _judged(k) ** 2), (k, width)), row)
    yield Step(
        at_image * (1 - _image(row) ** 2) * z[column],
        because=r"$g = \partial L / \partial G = e\, B^\top (c \circ (1 - h^2))$ is what the discriminator sends down; "
        r"then the generator's own tanh, and $\delta\, z^\top$",
    )
