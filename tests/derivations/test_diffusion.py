"""Question D9: the exact chain against scipy and sampling, the posterior sampled, the prior term on known images."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from coursework.derivations import SLIPS
from coursework.derivations import diffusion_evidence as evidence
from coursework.derivations.diffusion import conditioned
from coursework.derivations.gaussian_chain import Chain
from coursework.figures.diffusion import schedule_curves
from coursework.models.diffusion import alpha_bars, linear_betas, posterior_mean


def some_chain(seed):
    rng = np.random.default_rng(seed)
    lines, spreads = rng.normal(size=4), rng.uniform(0.3, 1.5, size=4)
    return Chain(lines[0], lines[1], spreads[0], spreads[1], lines[2], lines[3], spreads[2], spreads[3]), rng.normal()


@pytest.mark.parametrize("seed", range(20))
def test_evidence_is_bound_plus_divergence_and_the_misprint_is_not(seed):
    chain, x_0 = some_chain(seed)
    variance = chain.v_1 + chain.b_1**2 * (chain.v_2 + chain.b_2**2)
    evidence_by_scipy = scipy.stats.norm(0, math.sqrt(variance)).logpdf(x_0)
    assert chain.log_evidence(x_0) == pytest.approx(evidence_by_scipy, abs=1e-12)
    assert chain.divergence(x_0) > 0
    assert chain.bound(x_0) + chain.divergence(x_0) == pytest.approx(evidence_by_scipy, abs=1e-9)
    misprinted = chain.bound(x_0, conditioned=False) + chain.divergence(x_0)
    assert abs(misprinted - evidence_by_scipy) > 1e-6


def test_the_bound_against_sampled_paths():
    chain, x_0 = some_chain(3)
    torch.manual_seed(1)
    x_1 = chain.a_1 * x_0 + math.sqrt(chain.beta_1) * torch.randn(200_000, dtype=torch.float64)
    x_2 = chain.a_2 * x_1 + math.sqrt(chain.beta_2) * torch.randn_like(x_1)

    def log_pdf(x, mean, variance):
        return scipy.stats.norm(mean, math.sqrt(variance)).logpdf(x)

    terms = (
        log_pdf(x_0, chain.b_1 * x_1, chain.v_1)
        + log_pdf(x_1, chain.b_2 * x_2, chain.v_2)
        + log_pdf(x_2, 0, 1)
        - log_pdf(x_1, chain.a_1 * x_0, chain.beta_1)
        - log_pdf(x_2, chain.a_2 * x_1, chain.beta_2)
    )
    assert chain.bound(x_0) == pytest.approx(terms.mean(), abs=5 * terms.std() / math.sqrt(len(terms)))


def test_the_exact_reverse_leaves_no_divergence():
    assert Chain.reversing(0.2, 0.7).divergence(0.9) == pytest.approx(0, abs=1e-12)


def test_tables_of_the_chain():
    table = evidence.chain_table().set_index("model")
    assert (table["evidence"] == table["bound + KL"]).all()
    assert table.loc["exact reverse", "KL"] == "0.0000"
    assert (table["KL"].astype(float).drop("exact reverse") > 0.05).all()
    differs = table["bound"] != table["as printed"]
    assert differs.tolist() == [name != "reverse step blind" for name in table.index]


def test_paths_tell_less_and_less():
    table = evidence.path_table(dims=(1, 8, 64)).astype(float)
    assert table["effective paths"].is_monotonic_decreasing
    assert (table["bound"] < table["evidence"]).all()
    assert abs(table["error"][0]) < 0.1
    chain = evidence.chains()["reverse step too wide"]
    assert table["evidence"][2] == pytest.approx(64 * chain.log_evidence(1.5), abs=6e-3)


def test_fifty_posteriors_within_five_standard_errors_of_sampling():
    deviations = evidence.posterior_deviations(50, seed=3)
    assert deviations.shape == (50, 3)
    assert float(deviations.abs().max()) < 5
    assert 0.6 < float(deviations.std()) < 1.5  # the errors are standard errors, not something larger


def test_a_wrong_posterior_would_be_seen(monkeypatch):
    monkeypatch.setattr(
        evidence, "posterior_mean", lambda x_0, x_t, alpha, kept: posterior_mean(0.9 * x_0, x_t, alpha, kept)
    )
    assert float(evidence.posterior_deviations(50, seed=3).abs().max()) > 5


def test_conditioning_by_the_textbook_formula():
    mean, variance = conditioned(*(torch.tensor(value) for value in (0.0, 2.0, 0.5, 0.5)))
    # x_{t-1} ~ N(0, 1/2), x_t = √½ x_{t-1} + √½ ε: covariance √½/2, variance 3/4
    assert (mean, variance) == pytest.approx((2 * math.sqrt(0.5) / 2 / 0.75, 0.5 - 0.125 / 0.75))


def test_the_prior_term_is_the_mean_over_pixels():
    torch.manual_seed(0)
    images = torch.rand(7, 12, dtype=torch.float64) * 2 - 1
    kept = alpha_bars(linear_betas(100))[-1]
    q = torch.distributions.Normal(kept.sqrt() * images, (1 - kept).sqrt())
    by_pixel = torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros_like(images), 1.0))
    assert evidence.prior_term(images, kept) == pytest.approx(by_pixel.mean().item(), rel=1e-9)
    table = evidence.prior_table(images).set_index("schedule").astype(float)
    assert table.loc["linear", "signal left"] == pytest.approx(4.04e-5, rel=1e-2)
    assert table.loc["linear", "bits per pixel"] == pytest.approx(
        table.loc["linear", "nats per pixel"] / math.log(2), rel=1e-2
    )
    assert table.loc["cosine", "nats per image"] < table.loc["linear", "nats per image"]


def test_the_misprint_is_refuted():
    assert SLIPS["ddpm-unconditional"].check().passed


def test_the_figure_draws_the_curves():
    curves = evidence.prior_curves(torch.full((1, 4), 0.5, dtype=torch.float64))
    figure = schedule_curves(curves)
    left, right = figure.axes
    for axis, part in ((left, 0), (right, 1)):
        for line, (name, values) in zip(axis.lines, curves.items(), strict=True):
            assert line.get_label() == name
            np.testing.assert_allclose(line.get_xydata(), np.stack([np.arange(1, 1001), values[part]], 1))
