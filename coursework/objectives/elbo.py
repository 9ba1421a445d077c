"""The evidence lower bound, and with a point posterior and no divergence, the reconstruction error."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Conditional
from coursework.distributions.kl import kl
from coursework.objectives import Terms


def elbo(
    posterior: Distribution,
    decoder: Conditional,
    prior: Distribution,
    x: Float[Tensor, "batch *event"],
    *,
    beta: float = 1.0,
    num_samples: int | None = None,
) -> tuple[Float[Tensor, ""], Terms]:
    r"""Minus the mean of the evidence lower bound over the batch, and its terms per example, in nats.

    elbo = E_q[log p(x|z)] − β·KL(q‖p), the expectation by one reparameterised draw. β = 1 bounds log p(x); β = 0 leaves
    the reconstruction alone, which with a point posterior is an auto-decoder.

    Args:
        posterior: q(z|x), batch shape (batch,), event shape (latent,).
        decoder: z → p(x|z), event shape (*event).
        prior: p(z).
        x: data in the range of the likelihood.
        beta: weight of the divergence, ≥ 0. At 0 the divergence is not computed.
        num_samples: None for a closed-form divergence, k for an estimate from k draws.

    Raises:
        ValueError: β is negative.
        NotImplementedError: no closed form for this posterior and prior, and `num_samples` is None.

    Reference: Kingma and Welling, arXiv:1312.6114, equation 3; β from Higgins et al., ICLR 2017.
    """
    if beta < 0:
        raise ValueError(f"beta = {beta}: the weight of the divergence cannot be negative.")
    z = posterior.rsample()
    log_likelihood = decoder(z).log_prob(x)  # (batch,)
    terms = {"log_likelihood": log_likelihood}
    bound = log_likelihood
    if beta > 0:
        terms["kl"] = kl(posterior, prior, num_samples=num_samples)
        bound = log_likelihood - beta * terms["kl"]
    terms["elbo"] = bound
    return -bound.mean(), terms
