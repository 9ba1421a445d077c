"""The loss of an auto-encoder with Bernoulli pixels and a diagonal Gaussian posterior, written out."""

from collections.abc import Iterator

import numpy as np
import scipy.stats
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli

from coursework.derivations.conv_gradient import array
from coursework.derivations.core import Step, derivation
from coursework.derivations.kl_multivariate import diagonal_by_quadrature, kl_diagonal
from coursework.derivations.naming import Named

a, x = sp.symbols("a x", real=True)


def bernoulli_log_likelihood(logit: Float[Tensor, "*pixel"], x: Float[Tensor, "*pixel"]) -> Float[Tensor, "*pixel"]:
    """Log p(x) of a pixel with a logit, by torch's law."""
    return Bernoulli(logits=logit, validate_args=False).log_prob(x)


def bernoulli_slope(logit: Float[Tensor, "*pixel"], x: Float[Tensor, "*pixel"]) -> Float[Tensor, "*pixel"]:
    """Slope of log p(x) for the logit: the pixel less its probability."""
    return x - logit.sigmoid()


def vae_loss(
    logits: Float[Tensor, " pixel"],
    x: Float[Tensor, " pixel"],
    loc: Float[Tensor, " latent"],
    scale: Float[Tensor, " latent"],
) -> Float[Tensor, ""]:
    """Minus the bound of one image from one draw: `logits` are the decoder's at that draw."""
    return kl_diagonal(loc, scale) - bernoulli_log_likelihood(logits, x).sum()


def _sigma(value: sp.Expr) -> Named:
    return Named(r"\sigma", 1 / (1 + sp.exp(-value)), value)


def _pmf_log(logit: Tensor, value: Tensor) -> float:
    return scipy.stats.bernoulli(1 / (1 + np.exp(-float(logit)))).logpmf(int(value))


@derivation(
    "bernoulli-loss",
    title="Log-likelihood of a binary pixel",
    of=r"\log p(x \mid z)",
    implements=bernoulli_log_likelihood,
    arguments=(a, x),
    oracles={"scipy's Bernoulli law": _pmf_log},
    instances=lambda rng: (3 * rng.standard_normal(), float(rng.integers(0, 2))),
)
def bernoulli_loss() -> Iterator[Step]:
    """One pixel x, 0 or 1, whose logit is a; the loss is minus the sum over pixels."""
    yield Step(
        x * sp.log(_sigma(a)) + (1 - x) * sp.log(1 - _sigma(a)),
        because=r"logarithm of $\sigma(a)^x (1 - \sigma(a))^{1 - x}$: one term for $x = 1$, the other for $x = 0$",
    )
    yield Step(x * sp.log(_sigma(a)) + (1 - x) * sp.log(_sigma(-a)), because=r"$1 - \sigma(a) = \sigma(-a)$")
    yield Step(
        -x * (sp.log(1 + sp.exp(a)) - a) - (1 - x) * sp.log(1 + sp.exp(a)),
        because=r"$1 + e^{-a} = e^{-a} (1 + e^{a})$",
    )
    yield Step(x * a - sp.log(1 + sp.exp(a)), because="collected: no logarithm of a number near zero is left")


@derivation(
    "bernoulli-slope",
    title="Gradient of a binary pixel's log-likelihood",
    of=r"\frac{\partial \log p(x \mid z)}{\partial a}",
    uses=("bernoulli-loss",),
    implements=bernoulli_slope,
    arguments=(a, x),
    oracles={"autograd of torch's law": lambda a, x: torch.func.grad(bernoulli_log_likelihood)(a, x)},
    instances=lambda rng: (3 * rng.standard_normal(), float(rng.integers(0, 2))),
)
def bernoulli_slope_steps() -> Iterator[Step]:
    """What the decoder's last layer receives."""
    yield Step(sp.Derivative(x * a - sp.log(1 + sp.exp(a)), a), because="the form just derived")
    yield Step(x - sp.exp(a) / (1 + sp.exp(a)), because="term by term")
    yield Step(x - _sigma(a), because="the pixel less its probability: a residual, whatever the loss's name")


_PIXELS, _DIM = sp.symbols("m d", integer=True, positive=True)
_i, _k = sp.symbols("i k", integer=True, nonnegative=True)
_a, _x, _mu = array("a", _PIXELS), array("x", _PIXELS), array("mu", _DIM)
_sd = sp.IndexedBase(sp.Symbol("sigma", positive=True), shape=(_DIM,))


@derivation(
    "vae-loss",
    title="The loss of one image, written out",
    of=r"-\hat{\mathcal{L}}(x)",
    uses=("bernoulli-loss", "kl-diagonal"),
    implements=vae_loss,
    arguments=(_a, _x, _mu, _sd),
    oracles={"laws of scipy, a quadrature for each coordinate": lambda *values: _loss_by_scipy(*values)},
    instances=lambda rng: (
        3 * rng.standard_normal(6),
        rng.integers(0, 2, 6).astype(float),
        rng.standard_normal(2),
        np.exp(rng.standard_normal(2) / 2),
    ),
)
def vae_loss_steps() -> Iterator[Step]:
    """Of m Bernoulli pixels with logits a(z) at one draw z = μ + σ ε, d latent coordinates."""
    pixels, coordinates = (_i, 0, _PIXELS - 1), (_k, 0, _DIM - 1)
    likelihood = sp.Sum(_x[_i] * _a[_i] - sp.log(1 + sp.exp(_a[_i])), pixels)
    divergence = sp.Sum(_mu[_k] ** 2 + _sd[_k] ** 2 - 1 - sp.log(_sd[_k] ** 2), coordinates) / 2
    yield Step(divergence - likelihood, because="regularisation less reconstruction, each as derived")
    yield Step(
        sp.Sum(sp.log(1 + sp.exp(_a[_i])) - _x[_i] * _a[_i], pixels) + divergence,
        because="sums over pixels and over coordinates: neither is a mean, or the other's weight would change",
    )


def _loss_by_scipy(a: Tensor, x: Tensor, loc: Tensor, scale: Tensor) -> float:
    pixels = sum(_pmf_log(logit, value) for logit, value in zip(a, x, strict=True))
    return diagonal_by_quadrature(loc, scale) - pixels
