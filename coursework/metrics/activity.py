"""How much of a latent space is in use."""

from jaxtyping import Float
from torch import Tensor


def active_fraction(
    locations: Float[Tensor, "image latent"], prior_spread: Float[Tensor, " latent"], least: float = 0.1
) -> float:
    """Share of coordinates whose posterior locations vary over the images by more than `least` of the prior's spread.

    In a collapsed model posteriors repeat the prior, locations do not vary, and the share is 0.

    Reference: Burda et al., arXiv:1509.00519, section 5.2, with its variance of 0.01.
    """
    return (locations.std(0) > least * prior_spread).double().mean().item()
