"""A proposal for importance sampling that knows which latents an image leaves free together."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import GaussianDecoder


class PrecisionNormal(Distribution):
    """N(loc, P⁻¹) with the precision P = L Lᵀ given by L, so that a density costs a product and no solve.

    Args:
        loc: means.
        factor: L, lower triangular with a positive diagonal.
    """

    arg_constraints = {}  # noqa: RUF012 (torch reads it as a plain dict)
    has_rsample = True

    def __init__(self, loc: Float[Tensor, "image latent"], factor: Float[Tensor, "image latent latent"]) -> None:
        self.loc, self.factor = loc, factor
        super().__init__(loc.shape[:1], loc.shape[1:], validate_args=False)

    def rsample(
        self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()
    ) -> Float[Tensor, "*draw image latent"]:
        """At standard normal noise eps, loc + L⁻ᵀ·eps."""
        shape = self._extended_shape(torch.Size(sample_shape))
        eps = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        columns = eps.reshape(-1, *self.loc.shape).permute(1, 2, 0)  # (image, latent, draw)
        moved = torch.linalg.solve_triangular(self.factor.mT, columns, upper=True)
        return self.loc + moved.permute(2, 0, 1).reshape(shape)

    def log_prob(self, value: Float[Tensor, "*draw image latent"]) -> Float[Tensor, "*draw image"]:
        """−½‖Lᵀ(value − loc)‖² + log det L − (latent/2)·log 2π."""
        columns = (value - self.loc).reshape(-1, *self.loc.shape).permute(1, 2, 0)
        squares = (self.factor.mT @ columns).square().sum(1).T.reshape(value.shape[:-1])
        log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_det - 0.5 * squares - 0.5 * self.loc.shape[1] * math.log(2 * math.pi)


@torch.no_grad()
def gauss_newton_proposal(
    decoder: GaussianDecoder, z: Float[Tensor, "image latent"], *, width: float = 1.1
) -> PrecisionNormal:
    r"""N(z, width²·(I + JᵀJ/scale²)⁻¹) with J the decoder's Jacobian at z: the posterior of the decoder made linear.

    Under the prior N(0, I) and at a mode z it is the Laplace approximation without the decoder's second derivatives,
    and for a linear decoder the posterior itself. A posterior with independent coordinates misses how they make up for
    one another, and its importance weights fall on single draws.

    Args:
        decoder: p(x|z), trained.
        z: modes of p(z|x), or near them.
        width: above 1, so that tails are not missed.

    Reference: the same linearisation in MacKay, Neural Computation 4(3), 1992.
    """
    decoder.eval()

    def means(at: Tensor) -> Tensor:
        return decoder.net(at).flatten(1)

    directions = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    columns = [torch.autograd.functional.jvp(means, z, axis.expand_as(z).contiguous())[1] for axis in directions]
    jacobian = torch.stack(columns, -1)  # (image, pixel, latent)
    precision = jacobian.mT @ jacobian / decoder.scale**2 + directions
    return PrecisionNormal(z, torch.linalg.cholesky(precision) / width)
