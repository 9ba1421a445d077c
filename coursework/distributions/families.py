"""The registry of families. Adding one is a file for its law and a line here."""

from torch.distributions import Distribution, Gumbel, Laplace, Normal

from coursework.distributions.delta import delta
from coursework.distributions.family import Family, location_scale
from coursework.distributions.kumaraswamy import kumaraswamy
from coursework.distributions.logistic import Logistic
from coursework.distributions.sphere import von_mises_fisher
from coursework.distributions.student import StudentT3
from coursework.distributions.uniform import uniform

__all__ = ["FAMILIES", "Family", "standard_normal"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        delta,
        location_scale("normal", Normal),
        location_scale("laplace", Laplace),
        location_scale("logistic", Logistic),
        location_scale("gumbel", Gumbel),
        location_scale("student", StudentT3),
        uniform,
        kumaraswamy,
        von_mises_fisher,
    )
}
"""Every family by name."""


def standard_normal(latent_dim: int) -> Distribution:
    """N(0, I) over vectors of `latent_dim` coordinates."""
    return FAMILIES["normal"].prior(latent_dim)
