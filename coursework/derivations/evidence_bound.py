"""Evidence = bound + divergence, for any finite number of latent paths, and the bound's three terms (question D9)."""

from collections.abc import Iterator

import sympy as sp

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip

num_paths = sp.Symbol("n", integer=True, positive=True)
h, k = sp.symbols("h k", integer=True, positive=True)
weight = sp.IndexedBase(sp.Symbol("w", positive=True))
joint = sp.IndexedBase(sp.Symbol("P", positive=True))
"""P_h is p(x_0, h): the joint density of the data and the latent path h."""


def _paths(term: sp.Expr) -> sp.Sum:
    return sp.Sum(term, (h, 1, num_paths))


_q = Named("q", weight[h] / sp.Sum(weight[k], (k, 1, num_paths)), h)
_evidence = Named("p(x_0)", sp.Sum(joint[k], (k, 1, num_paths)))
_true = Named("p", joint[h] / _evidence, h)


@derivation("elbo-gap", title="Evidence is bound plus divergence", of=r"\log p(x_0)")
def elbo_gap() -> Iterator[Step]:
    """Sums over paths stand for the integrals over x_1 … x_T; P_h is p(x_0, h), q_h any law of the paths."""
    yield Step(sp.log(_evidence), because="the evidence; $P_h = p(x_0, h)$ for latent path $h$")
    yield Step(_paths(_q * sp.log(_evidence)), argued="the probabilities $q_h$ of all paths add up to one")
    yield Step(_paths(_q * sp.log(joint[h] / _true)), because="definition of the posterior $p_h = p(h \\mid x_0)$")
    yield Step(
        _paths(_q * sp.log(joint[h] / _q)) + _paths(_q * sp.log(_q / _true)),
        because="multiplied and divided by $q_h$ inside the logarithm: the bound, and the divergence of $q$ from $p$",
    )


u, s = sp.symbols("u s", positive=True)


@derivation("log-tangent", title="A logarithm and its bound", of=r"\log u")
def log_tangent() -> Iterator[Step]:
    """The remainder is not negative: its integrand has the sign of the direction in which the integral runs."""
    yield Step(sp.log(u), because="for positive $u$")
    yield Step(
        1 - 1 / u + sp.Integral((s - 1) / s**2, (s, 1, u)),
        because="the integral is $\\log u + 1/u - 1$",
    )


@derivation(
    "gibbs",
    title="A divergence is not negative",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    uses=("log-tangent",),
)
def gibbs() -> Iterator[Step]:
    """Gibbs' inequality, from log u ≥ 1 − 1/u."""
    yield Step(_paths(_q * sp.log(_q / _true)), because="definition")
    yield Step(
        _paths(_q * (1 - _true / _q)),
        argued=r"$\log u \geq 1 - 1/u$ in every term: the remainder in log-tangent is never negative, and zero "
        r"only at $u = 1$",
        relation=">=",
    )
    yield Step(_paths(_q) - _paths(_true), because="a finite sum, term by term")
    yield Step(sp.Integer(0), argued="both add up to one")


@derivation("jensen-elbo", title="The bound, by Jensen", of=r"\log p(x_0)", uses=("elbo-gap",))
def jensen_elbo() -> Iterator[Step]:
    """The same bound without the divergence: the logarithm is concave."""
    yield Step(sp.log(_evidence), because="the evidence, a mean of $P_h / q_h$ under $q$")
    yield Step(
        _paths(_q * sp.log(joint[h] / _q)),
        argued="Jensen: the logarithm is concave, so that of a mean is at least the mean of the logarithms",
        relation=">=",
    )


t, last = sp.symbols("t T", integer=True, positive=True)
model = sp.IndexedBase(sp.Symbol("p", positive=True))
reverse = sp.IndexedBase(sp.Symbol("r", positive=True))
marginal = sp.IndexedBase(sp.Symbol("f", positive=True))
prior = sp.Symbol(r"\pi", positive=True)


@derivation(
    "ddpm-three-terms",
    title="The bound in three terms, along a path",
    of=r"\log \frac{p_\theta(x_0, \ldots, x_T)}{q(x_1, \ldots, x_T \mid x_0)}",
    facts=(sp.Ge(last, 2),),
    uses=("ddpm-posterior",),
)
def ddpm_three_terms() -> Iterator[Step]:
    """π = p(x_T), p_t = pθ(x_{t−1}|x_t), r_t = q(x_{t−1}|x_t, x_0), f_t = q(x_t|x_0), all at the points of one path."""
    steps = (t, 2, last)
    onward = reverse[t] * marginal[t] / marginal[t - 1]
    yield Step(
        sp.log(prior)
        + sp.log(model[1])
        + sp.Sum(sp.log(model[t]), steps)
        - sp.log(marginal[1])
        - sp.Sum(sp.log(onward), steps),
        because=r"both chains factorise; by Bayes' rule $q(x_t \mid x_{t-1}) = r_t f_t / f_{t-1}$",
    )
    yield Step(
        sp.log(prior)
        + sp.log(model[1])
        + sp.Sum(sp.log(model[t] / reverse[t]), steps)
        - sp.log(marginal[1])
        - sp.Sum(sp.log(marginal[t]) - sp.log(marginal[t - 1]), steps),
        because="logarithms of products; the sums are over the same steps",
    )
    yield Step(
        sp.log(prior / marginal[last]) + sp.Sum(sp.log(model[t] / reverse[t]), steps) + sp.log(model[1]),
        because="the last sum telescopes",
    )


@slip(
    "evidence-without-log",
    title="Monte Carlo evidence, log lost",
    says="The log-evidence is estimated by a mean of likelihoods over draws, with no logarithm before it.",
    source="an estimate of log p(x) and a training loss",
)
def evidence_without_log() -> Claim:
    """A latent with two equally likely values, so that the mean over draws is exact."""
    first, second = sp.symbols("p_1 p_2", positive=True)
    mean = (first + second) / 2
    return Claim(sp.log(first / 2 + second / 2), wrong=mean, right=sp.log(mean))
