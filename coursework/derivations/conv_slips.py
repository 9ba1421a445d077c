"""Answers to question D5 that lose the bias or the broadcast, kept to be refuted."""

import sympy as sp

from coursework.derivations.conv_gradient import (
    INSIDE,
    columns,
    ell,
    i,
    image,
    j,
    k,
    output,
    p,
    pixels,
    q,
    rows,
    target,
    total,
    weight,
)
from coursework.derivations.slips import Claim, slip


def _claim(wrong: sp.Expr) -> Claim:
    s = output(weight, image)
    quantity = sp.Derivative(pixels((s - target[i, j]) ** 2), weight[p, q])
    right = 2 * (rows * columns * s - pixels(target[i, j])) * image[p, q]
    return Claim(quantity, wrong=wrong, right=right)


@slip(
    "conv-without-bias",
    title="Broadcast loss, bias lost",
    says="The gradient for the weight, with the bias left out of the output.",
    source="a public answer to D5",
    facts=INSIDE,
    derivation="conv-gradient",
)
def conv_without_bias() -> Claim:
    """⟨w, x⟩ in the place of ⟨w, x⟩ + b."""
    s = total(weight[k, ell] * image[k, ell], (k, rows), (ell, columns))
    return _claim(2 * (rows * columns * s - pixels(target[i, j])) * image[p, q])


@slip(
    "conv-elementwise",
    title="Broadcast loss, taken pixel by pixel",
    says="The gradient for the weight, with the output compared with one target pixel only.",
    source="a public answer to D5",
    facts=INSIDE,
    derivation="conv-gradient",
)
def conv_elementwise() -> Claim:
    """The target pixel at the weight's own place."""
    return _claim(2 * (output(weight, image) - target[p, q]) * image[p, q])


@slip(
    "conv-mean-target",
    title="Broadcast loss, mean for sum",
    says="The gradient for the weight, with the mean over the target pixels in the place of their sum.",
    source="a common reading of the loss in D5",
    facts=INSIDE,
    derivation="conv-gradient",
)
def conv_mean_target() -> Claim:
    """The gradient of the mean of the squared differences."""
    mean = pixels(target[i, j]) / (rows * columns)
    return _claim(2 * (output(weight, image) - mean) * image[p, q])
