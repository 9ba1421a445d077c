"""Kullback–Leibler divergence, closed form or, asked for by name, an estimate."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence


def kl(q: Distribution, p: Distribution, *, num_samples: int | None = None) -> Float[Tensor, "*batch"]:
    r"""KL(q‖p) = E_q[log q(z) − log p(z)] per batch element, summed over event dimensions.

    Args:
        q: the law that the mean is taken over.
        p: a law on the same event space.
        num_samples: None for the closed form; k for the mean over k reparameterised draws of q, unbiased and
            differentiable.

    Raises:
        NotImplementedError: no closed form is registered for this pair and no `num_samples` is given.
        ValueError: `num_samples` is below 1.
    """
    if num_samples is None:
        return kl_divergence(q, p)
    if num_samples < 1:
        raise ValueError(f"num_samples = {num_samples}: give at least 1, or None for the closed form.")
    z = q.rsample((num_samples,))
    return (q.log_prob(z) - p.log_prob(z)).mean(0)
