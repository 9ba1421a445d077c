"""The noising chain of diffusion: what it does in t steps, its posterior, and the terms of its bound (question D9)."""

from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.models.diffusion import posterior_mean, posterior_variance, prior_kl

x_0, x_t, before, eps, guess = sp.symbols(r"x_0 x_t x_{t-1} \varepsilon \varepsilon_\theta", real=True)
alpha = sp.Symbol(r"\alpha_t", positive=True)
kept_before = sp.Symbol(r"\bar{\alpha}_{t-1}", positive=True)
INSIDE = (sp.Lt(alpha, 1), sp.Lt(kept_before, 1))
"""Every step adds some noise and leaves some signal."""

_step, _past = sp.symbols(r"\sqrt{\alpha_t} \sqrt{\bar{\alpha}_{t-1}}", positive=True)
_noise, _noise_before = sp.symbols(r"\beta_t v_{t-1}", positive=True)

beta = Named(r"\beta_t", 1 - alpha)
kept = Named(r"\bar{\alpha}_t", alpha * kept_before)


def _schedules(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0.05, 0.999)), float(rng.uniform(0.001, 0.999))


def _states(rng: np.random.Generator) -> tuple[float, ...]:
    return (*map(float, rng.standard_normal(2)), *_schedules(rng))


def conditioned(
    x_0: Float[Tensor, ""], x_t: Float[Tensor, ""], alpha: Float[Tensor, ""], alpha_bar_before: Float[Tensor, ""]
) -> tuple[float, float]:
    """Mean and variance of x_{t−1} given x_t and x_0, by conditioning their joint normal law: no densities involved.

    The joint law of (x_{t−1}, x_t) given x_0 comes from x_{t−1} and the noise of step t by a linear map.
    """
    a, kept = float(alpha), float(alpha_bar_before)
    mix = np.array([[np.sqrt(1 - kept), 0.0], [np.sqrt(a * (1 - kept)), np.sqrt(1 - a)]])
    covariance = mix @ mix.T
    mean = np.sqrt(kept) * float(x_0) * np.array([1.0, np.sqrt(a)])
    slope = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])[0]
    return mean[0] + slope * (float(x_t) - mean[1]), covariance[0, 0] - slope * covariance[1, 0]


@derivation(
    "ddpm-marginal",
    title="Noise in t steps: variance",
    of=r"\operatorname{Var}(x_t \mid x_0)",
)
def ddpm_marginal() -> Iterator[Step]:
    """One induction step: the variance after t − 1 steps is 1 − ᾱ_{t−1}; step t scales it and adds to it."""
    yield Step(
        alpha * (1 - kept_before) + beta,
        because=r"$x_t = \sqrt{\alpha_t}\, x_{t-1} + \sqrt{\beta_t}\,\varepsilon$ with independent noise",
    )
    yield Step(1 - kept, because="the same form, one step on")


def _cost(value: sp.Expr, mean: sp.Expr, variance: sp.Expr) -> sp.Expr:
    return (value - mean) ** 2 / variance


@derivation(
    "ddpm-posterior",
    title="Posterior of a noising step: exponent",
    of=r"-2 \log q(x_{t-1} \mid x_t, x_0) + \mathrm{const}",
    uses=("ddpm-marginal",),
)
def ddpm_posterior() -> Iterator[Step]:
    """Bayes' rule for three Gaussians, and the square in x_{t−1} completed; nothing is left over.

    Signal factors and noise variances are letters of their own: nothing but ᾱ_t's recursion ties them together.
    """
    now = Named(r"v_t", _step**2 * _noise_before + _noise)
    precision = Named(r"\lambda", now / (_noise * _noise_before))
    pull = Named("g", (_step * _noise_before * x_t + _past * _noise * x_0) / (_noise * _noise_before))
    rest = Named("c", x_t**2 / _noise + _past**2 * x_0**2 / _noise_before - _cost(x_t, _step * _past * x_0, now))
    yield Step(
        _cost(x_t, _step * before, _noise)
        + _cost(before, _past * x_0, _noise_before)
        - _cost(x_t, _step * _past * x_0, now),
        because=r"Bayes' rule, with $v_t = 1 - \bar{\alpha}_t$ and $\beta_t$ the variances; the chain has no memory, "
        r"$q(x_t \mid x_{t-1}, x_0) = q(x_t \mid x_{t-1})$",
    )
    yield Step(precision * before**2 - 2 * pull * before + rest, because="the squares expanded, by powers of $x_{t-1}$")
    yield Step(
        precision * (before - pull / precision) ** 2 - pull**2 / precision + rest,
        because="the square completed",
    )
    yield Step(
        precision * (before - pull / precision) ** 2,
        because="what does not hold $x_{t-1}$ cancels: the third density is the right constant",
    )
    variance = Named(r"\tilde{\beta}_t", _noise * _noise_before / now)
    mean = Named(r"\tilde{\mu}_t", (_past * _noise * x_0 + _step * _noise_before * x_t) / now)
    yield Step(_cost(before, mean, variance), because=r"$\tilde{\mu}_t = g / \lambda$, $\tilde{\beta}_t = 1 / \lambda$")


def _conditioned(part: int) -> Callable[..., float]:
    return lambda *arguments: conditioned(*arguments)[part]


@derivation(
    "ddpm-posterior-mean",
    title="Posterior of a noising step: mean",
    of=r"\tilde{\mu}_t",
    uses=("ddpm-posterior",),
    implements=posterior_mean,
    arguments=(x_0, x_t, alpha, kept_before),
    oracles={"conditioning of the joint normal law": _conditioned(0)},
    instances=_states,
)
def ddpm_posterior_mean() -> Iterator[Step]:
    """G / λ, cleared of its denominators."""
    step, past = sp.sqrt(alpha), sp.sqrt(kept_before)
    precision = alpha / beta + 1 / (1 - kept_before)
    pull = step * x_t / beta + past * x_0 / (1 - kept_before)
    yield Step(pull / precision, because=r"the quotient $g / \lambda$ of the completed square")
    yield Step(
        (past * beta * x_0 + step * (1 - kept_before) * x_t) / (alpha * (1 - kept_before) + beta),
        because=r"both multiplied by $\beta_t (1 - \bar{\alpha}_{t-1})$",
    )
    yield Step(
        (past * beta * x_0 + step * (1 - kept_before) * x_t) / (1 - kept),
        because="the denominator is the variance after $t$ steps",
    )


@derivation(
    "ddpm-posterior-variance",
    title="Posterior of a noising step: variance",
    of=r"\tilde{\beta}_t",
    uses=("ddpm-posterior",),
    implements=posterior_variance,
    arguments=(alpha, kept_before),
    oracles={
        "conditioning of the joint normal law": lambda a, kept: conditioned(torch.zeros(()), torch.ones(()), a, kept)[1]
    },
    instances=_schedules,
)
def ddpm_posterior_variance() -> Iterator[Step]:
    """1 / λ, cleared of its denominators."""
    yield Step(1 / (alpha / beta + 1 / (1 - kept_before)), because="precisions add up")
    yield Step(
        beta * (1 - kept_before) / (alpha * (1 - kept_before) + beta),
        because=r"multiplied by $\beta_t (1 - \bar{\alpha}_{t-1})$",
    )
    yield Step(beta * (1 - kept_before) / (1 - kept), because="the denominator is the variance after $t$ steps")


@derivation(
    "ddpm-noise-prediction",
    title="Denoising term as an error in the noise",
    of=r"\operatorname{KL}\bigl(q(x_{t-1} \mid x_t, x_0) \,\Vert\, p_\theta(x_{t-1} \mid x_t)\bigr)",
    facts=INSIDE,
    uses=("ddpm-posterior-mean", "kl-normal"),
)
def ddpm_noise_prediction() -> Iterator[Step]:
    """Equal variances; the model's mean is the posterior's, with a guess of the noise in the place of the noise."""
    step, past, noise = sp.sqrt(alpha), sp.sqrt(kept_before), sp.sqrt(1 - kept)

    def mean(guess: sp.Expr) -> sp.Expr:
        data = (x_t - noise * guess) / (step * past)
        return (past * beta * data + step * (1 - kept_before) * x_t) / (1 - kept)

    variance = sp.Symbol(r"\sigma_t", positive=True) ** 2
    true, model = Named(r"\tilde{\mu}_t", mean(eps)), Named(r"\mu_\theta", mean(guess))
    yield Step(
        (true - model) ** 2 / (2 * variance),
        because=r"two Gaussians of one variance; $x_0$ is $(x_t - \sqrt{1 - \bar{\alpha}_t}\,\varepsilon)"
        r" / \sqrt{\bar{\alpha}_t}$ in the mean, and the model puts its guess $\varepsilon_\theta$ for $\varepsilon$",
    )
    yield Step(
        beta**2 / (2 * variance * alpha * (1 - kept)) * (eps - guess) ** 2,
        because="the terms with $x_t$ cancel: what is learned is the noise",
    )


@derivation(
    "ddpm-prior-term",
    title="Prior term, per coordinate",
    of=r"\operatorname{KL}\bigl(q(x_T \mid x_0) \,\Vert\, \mathcal N(0, 1)\bigr)",
    facts=(sp.Lt(kept_before, 1),),
    uses=("kl-normal",),
    implements=prior_kl,
    arguments=(x_0, sp.Symbol(r"\bar{\alpha}_T", positive=True)),
    oracles={
        "torch's divergence of two normal laws": lambda x, kept: kl_divergence(
            Normal(kept.sqrt() * x, (1 - kept).sqrt()), Normal(torch.zeros_like(x), torch.ones_like(x))
        )
    },
    instances=lambda rng: (float(rng.uniform(-1, 1)), float(rng.uniform(1e-3, 0.99))),
)
def ddpm_prior_term() -> Iterator[Step]:
    """The divergence of N(√ᾱ x_0, 1 − ᾱ) from N(0, 1)."""
    final = sp.Symbol(r"\bar{\alpha}_T", positive=True)
    scale = sp.sqrt(1 - final)
    yield Step(
        sp.log(1 / scale) - sp.Rational(1, 2) + (scale**2 + final * x_0**2) / 2,
        because=r"two Gaussians in closed form; mean $\sqrt{\bar{\alpha}_T}\,x_0$, variance $1 - \bar{\alpha}_T$",
    )
    yield Step((final * (x_0**2 - 1) - sp.log(1 - final)) / 2, because="collected; no parameter of the model is in it")
