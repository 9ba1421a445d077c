"""How probable a model finds images: the evidence by importance sampling, and the bound below it."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Conditional
from coursework.objectives.iwae import log_weights


class Evidence(NamedTuple):
    r"""Estimates per image, in nats, from one set of k draws of q(z|x) with weights w = p(x|z)·p(z)/q(z|x).

    Attributes:
        log_evidence: log of the mean weight, the estimate of log p(x). Its expectation is below log p(x) and rises
            with k (Burda et al., arXiv:1509.00519, theorem 1).
        standard_error: of `log_evidence` by the delta method, the standard error of the mean weight over that mean. It
            knows the draws alone: where few of them carry all the weight, the truth may lie much further above.
        effective_draws: (Σw)²/Σw², of k.
        elbo: mean of the log weight, the evidence lower bound.
        log_likelihood: mean of log p(x|z); less `elbo`, it leaves the divergence from the prior.
    """

    log_evidence: Float[Tensor, " image"]
    standard_error: Float[Tensor, " image"]
    effective_draws: Float[Tensor, " image"]
    elbo: Float[Tensor, " image"]
    log_likelihood: Float[Tensor, " image"]

    @property
    def kl(self) -> Float[Tensor, " image"]:
        """The divergence of the posterior from the prior, estimated from the same draws."""
        return self.log_likelihood - self.elbo


@torch.no_grad()
def evidence(
    posterior: Distribution,
    decoder: Conditional,
    prior: Distribution,
    x: Float[Tensor, "image *event"],
    num_draws: int,
    *,
    largest: int = 4096,
) -> Evidence:
    r"""Estimates of log p(x) ≈ log Σ_j w_j − log k with draws z_j of q(z|x), and what else the draws tell.

    Draws come in chunks whose sums are carried in logarithms, so memory does not grow with k.

    Args:
        posterior: q(z|x), batch shape (image,), event shape (latent,): rows of a table, or what an encoder returns.
        decoder: z → p(x|z).
        prior: p(z).
        x: images in the range of the likelihood.
        num_draws: k, at least 2.
        largest: number of latents decoded at a time.

    Raises:
        ValueError: fewer than 2 draws: one has no spread.

    Reference: Burda et al., arXiv:1509.00519, equation 8; Rezende et al., arXiv:1401.4082, appendix E.
    """
    if num_draws < 2:
        raise ValueError(f"num_draws = {num_draws}: give at least 2, one draw has no standard error.")
    at_once = max(1, largest // len(x))
    first = second = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    elbo = likelihood = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for start in range(0, num_draws, at_once):
        count = min(at_once, num_draws - start)
        log_w, log_p = (part.double() for part in log_weights(posterior, decoder, prior, x, count))
        first = torch.logaddexp(first, log_w.logsumexp(0))  # log Σw
        second = torch.logaddexp(second, (2 * log_w).logsumexp(0))  # log Σw²
        elbo, likelihood = elbo + log_w.sum(0), likelihood + log_p.sum(0)
    concentration = (second - 2 * first).exp()  # Σw²/(Σw)², from 1/k to 1
    return Evidence(
        log_evidence=first - math.log(num_draws),
        standard_error=((num_draws * concentration - 1).clamp(min=0) / (num_draws - 1)).sqrt(),
        effective_draws=1 / concentration,
        elbo=elbo / num_draws,
        log_likelihood=likelihood / num_draws,
    )
