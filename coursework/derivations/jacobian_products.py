"""Gradients as products of Jacobians: when they vanish and when they explode (question D10)."""

from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

HALF = sp.Rational(1, 2)
outputs, inputs = sp.symbols("m n", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True, nonnegative=True)
u, theta, c_1, c_2 = sp.symbols("u theta c_1 c_2", real=True)
rho, scale = sp.symbols("rho s", positive=True)
steps = sp.Symbol("n", integer=True, positive=True)

weight = sp.IndexedBase(sp.Symbol("W", real=True), shape=(outputs, inputs))
upstream = sp.IndexedBase(sp.Symbol("g", real=True), shape=(outputs,))
state = sp.IndexedBase(sp.Symbol("h", real=True), shape=(inputs,))


def layer_backward(
    weight: Float[Tensor, "out in"], g: Float[Tensor, " out"], h: Float[Tensor, " in"]
) -> Float[Tensor, " in"]:
    """∂L/∂h for a layer tanh(weight h), from g = ∂L/∂output: weightᵀ (slope of the activation · g)."""
    return weight.T @ ((1 - torch.tanh(weight @ h) ** 2) * g)


def layer_backward_by_autograd(
    weight: Float[Tensor, "out in"], g: Float[Tensor, " out"], h: Float[Tensor, " in"]
) -> Float[Tensor, " in"]:
    """The same by reverse mode."""
    h = h.detach().requires_grad_()
    return torch.autograd.grad(torch.tanh(weight @ h), h, g)[0]


def _draw_layer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, n = rng.integers(1, 6, 2)
    return rng.standard_normal((m, n)), rng.standard_normal(m), rng.standard_normal(n)


def _activation(row: sp.Expr) -> Named:
    return Named("a", sp.Sum(weight[row, k] * state[k], (k, 0, inputs - 1)), row)


@derivation(
    "layer-backward",
    title="Gradient through one layer",
    of=r"\frac{\partial L}{\partial h_j}",
    facts=(sp.Le(j, inputs - 1),),
    implements=layer_backward,
    arguments=(weight, upstream, state),
    free_indices=(j,),
    oracles={"autograd": layer_backward_by_autograd},
    instances=_draw_layer,
)
def layer_backward_steps() -> Iterator[Step]:
    """A layer of tanh units, of any size; g is the gradient for its outputs."""
    rows = (i, 0, outputs - 1)
    out = sp.tanh(_activation(i))
    yield Step(sp.Derivative(sp.Sum(upstream[i] * out, rows), state[j]), because="chain rule")
    yield Step(
        sp.Sum(upstream[i] * (1 - out**2) * sp.Derivative(_activation(i), state[j]), rows),
        because="the slope of the activation at each unit",
    )
    yield Step(
        sp.Sum(weight[i, j] * (1 - out**2) * upstream[i], rows),
        because="column $j$ of $W$, so that the gradient is multiplied by $W^{\\top}$ on its way back",
    )


@derivation(
    "sigmoid-slope",
    title="Slope of the sigmoid",
    of=r"\sigma'(u)",
    arguments=(u,),
    oracles={"autograd": torch.func.grad(torch.sigmoid)},
)
def sigmoid_slope() -> Iterator[Step]:
    """A quarter less a square: never more than a quarter."""
    sigma = Named(r"\sigma", 1 / (1 + sp.exp(-u)), u)
    yield Step(sp.Derivative(sigma, u), because="definition, $\\sigma(u) = 1/(1 + e^{-u})$")
    yield Step(sigma * (1 - sigma), because="chain rule, and $e^{-u}/(1 + e^{-u}) = 1 - \\sigma(u)$")
    yield Step(sp.Rational(1, 4) - (sigma - HALF) ** 2, because="the square completed")


def rotation(angle: sp.Expr) -> sp.Matrix:
    """Turns the plane by an angle."""
    return sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])


def unrolled_norm(
    rho: Float[Tensor, ""], theta: Float[Tensor, ""], c_1: Float[Tensor, ""], c_2: Float[Tensor, ""], n: Tensor
) -> Float[Tensor, ""]:
    """Squared norm of the gradient for the first of n + 1 states of h ← W h, W = rho · rotation, by reverse mode."""
    matrix = rho * torch.stack([torch.cos(theta), -torch.sin(theta), torch.sin(theta), torch.cos(theta)]).reshape(2, 2)
    first = torch.ones(2, dtype=torch.float64, requires_grad=True)
    h = first
    for _ in range(int(n)):
        h = matrix @ h
    return torch.autograd.grad(h, first, torch.stack([c_1, c_2]))[0].square().sum()


def power_norm(
    rho: Float[Tensor, ""], theta: Float[Tensor, ""], c_1: Float[Tensor, ""], c_2: Float[Tensor, ""], n: Tensor
) -> float:
    """The same with the power of the transposed matrix."""
    cos, sin = np.cos(float(theta)), np.sin(float(theta))
    power = np.linalg.matrix_power(float(rho) * np.array([[cos, sin], [-sin, cos]]), int(n))
    return float(np.square(power @ [float(c_1), float(c_2)]).sum())


def _draw_rotation(rng: np.random.Generator) -> tuple[float, float, float, float, int]:
    return (*rng.uniform(0.5, 1.5, 2).tolist(), *rng.standard_normal(2).tolist(), int(rng.integers(1, 20)))


@derivation(
    "recurrence-power",
    title="Linear recurrence, the power of its matrix",
    of=r"(W^{\top})^{n+1}",
)
def recurrence_power() -> Iterator[Step]:
    """Induction step for W = ρ R(θ), whose eigenvalues ρ exp(±iθ) both have size ρ."""
    yield Step(
        sp.MatMul(rho**steps, rotation(-steps * theta), rho, rotation(-theta)),
        because="$(W^{\\top})^n = \\rho^n R(-n\\theta)$, and one step more",
    )
    yield Step(
        rho ** (steps + 1) * rotation(-(steps + 1) * theta), because="angles add up: turned and stretched once more"
    )


@derivation(
    "recurrence-norm",
    title="Linear recurrence, norm of the gradient",
    of=r"\lVert (W^{\top})^n c \rVert^2",
    uses=("recurrence-power", "layer-backward"),
    implements=unrolled_norm,
    arguments=(rho, theta, c_1, c_2, steps),
    oracles={"powers of the matrix": power_norm},
    instances=_draw_rotation,
)
def recurrence_norm() -> Iterator[Step]:
    """The norm n steps back through W = ρ R(θ)."""
    turned = rho**steps * rotation(-steps * theta) * sp.Matrix([c_1, c_2])
    yield Step(turned[0] ** 2 + turned[1] ** 2, because="the two entries of $\\rho^n R(-n\\theta)\\, c$")
    yield Step(rho ** (2 * steps) * (c_1**2 + c_2**2), because="a rotation does not change lengths")


def jordan(power: sp.Expr) -> sp.Matrix:
    """The power of [[ρ, s], [0, ρ]], as it is claimed to be."""
    return sp.Matrix([[rho**power, power * scale * rho ** (power - 1)], [0, rho**power]])


@derivation(
    "jordan-power",
    title="Growth before decay",
    of=r"W^{n+1}",
)
def jordan_power() -> Iterator[Step]:
    """Induction step for a matrix of spectral radius ρ whose powers may first grow."""
    yield Step(jordan(steps) * sp.Matrix([[rho, scale], [0, rho]]), because="$W^n$ as claimed, times $W$")
    yield Step(jordan(steps + 1), because="the corner gathers one more term")
