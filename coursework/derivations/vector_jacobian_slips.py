"""Backward recursions that lack the transpose or the activation's slope, kept to be refuted."""

import sympy as sp

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip
from coursework.derivations.vector_jacobian import INPUT, i, inputs, j, k, p, x

_SQUARE = array("A", inputs, inputs)
_BOX = array("B", inputs, inputs)


def _hidden(unit: sp.Expr) -> Named:
    """One hidden unit of a network with as many hidden units as inputs."""
    return Named("h", sp.tanh(total(_BOX[unit, j] * x[j], (j, inputs))), unit)


def _recursion_claim(wrong: sp.Expr) -> Claim:
    """The gradient of v·y for square weights, as printed and as it is."""
    vector = array("v", inputs)
    y = Named("y", total(_SQUARE[i, k] * _hidden(k), (k, inputs)), i)
    right = total(total(vector[i] * _SQUARE[i, k], (i, inputs)) * (1 - _hidden(k) ** 2) * _BOX[k, p], (k, inputs))
    return Claim(sp.Derivative(total(vector[i] * y, (i, inputs)), x[p]), wrong=wrong, right=right)


@slip(
    "vjp-without-transpose",
    title="Backward recursion without the transpose",
    says="The error vector is multiplied by the weights of a layer, not by their transpose.",
    source="layer recursions of back-propagation",
    facts=(INPUT,),
    derivation="vjp",
)
def vjp_without_transpose() -> Claim:
    """A v for Aᵀ v, where the shapes happen to allow it."""
    vector = array("v", inputs)
    return _recursion_claim(
        total(total(_SQUARE[k, i] * vector[i], (i, inputs)) * (1 - _hidden(k) ** 2) * _BOX[k, p], (k, inputs))
    )


@slip(
    "vjp-without-activation",
    title="Backward recursion without the activation's slope",
    says="The error vector passes the activation unchanged, as if its derivative were one.",
    source="layer recursions of back-propagation",
    facts=(INPUT,),
    derivation="vjp",
)
def vjp_without_activation() -> Claim:
    """Bᵀ Aᵀ v, without the factors 1 − h²."""
    vector = array("v", inputs)
    return _recursion_claim(total(total(vector[i] * _SQUARE[i, k], (i, inputs)) * _BOX[k, p], (k, inputs)))
