"""Student's t with three degrees of freedom: a heavy tail whose divergence has a closed form."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import StudentT, constraints, register_kl


class StudentT3(StudentT):
    r"""loc + scale · t, where t has three degrees of freedom: mean loc, variance 3·scale², no third moment.

    A draw is a normal one over the root of a chi-square one, divided by its degrees of freedom; these are fixed, so
    the gradient goes through `loc` and `scale` alone.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012 (torch reads a dict)

    def __init__(
        self, loc: Float[Tensor, "*batch"], scale: Float[Tensor, "*batch"], validate_args: bool | None = None
    ) -> None:
        super().__init__(torch.full_like(loc, 3.0), loc, scale, validate_args=validate_args)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: StudentT | None = None
    ) -> "StudentT3":
        """The same law for a larger batch."""
        size = torch.Size(batch_shape)
        return StudentT3(self.loc.expand(size), self.scale.expand(size), validate_args=False)


@register_kl(StudentT3, StudentT3)
def _kl_student_student(q: StudentT3, p: StudentT3) -> Tensor:
    r"""3·log(s_q/s_p) + 2·[log((Δ² + 3(s_p + s_q)²) / (12·s_q²)) + 1 − 6·s_q(s_p + s_q) / (Δ² + 3(s_p + s_q)²)].

    The densities are rational, so that the mean of each logarithm is a residue: derivation `kl-student`.
    """
    both = p.scale + q.scale
    reach = (q.loc - p.loc).square() + 3 * both.square()
    logs = reach.log() - math.log(12) - 2 * q.scale.log()
    return 3 * (q.scale / p.scale).log() + 2 * (logs + 1 - 6 * q.scale * both / reach)
