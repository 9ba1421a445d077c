"""Density of a variable that an invertible map makes from a normal one, and the Jacobian taken the wrong way round."""

import sympy as sp

from coursework.derivations.slips import Claim, slip

x = sp.Symbol("x", positive=True)


def _standard(at: sp.Expr) -> sp.Expr:
    """Density of the standard normal."""
    return sp.exp(-(at**2) / 2) / sp.sqrt(2 * sp.pi)


@slip(
    "flow-jacobian-inverted",
    title="Jacobian of a flow, in the latent variable",
    says="The latent's density is multiplied by the slope of the map to the data, not of the map from them.",
    source="the likelihood of a normalising flow",
)
def flow_jacobian_inverted() -> Claim:
    """The flow z = log x: the density of x is the slope of its distribution function."""
    distribution = (1 + sp.erf(sp.log(x) / sp.sqrt(2))) / 2
    density = _standard(sp.log(x))
    return Claim(sp.Derivative(distribution, x), wrong=density * x, right=density / x)
