"""Torch transforms that hold weights, and their composition; every map runs from data towards the latent.

Calling one normalises, its `inv` generates.
"""

from abc import abstractmethod
from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Transform, constraints


class TransformModule(Transform, nn.Module):
    """A torch transform that is a module too, so that it can hold weights and sit in a list of modules."""

    bijective = True
    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.real
    __hash__ = nn.Module.__hash__  # a class that defines equality has lost its own

    def __eq__(self, other: object) -> bool:
        """Whether both are the same object."""
        return self is other


class PushTransform(TransformModule):
    """A transform whose map and log-determinant come out of one computation, which is not made twice."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def push(self, x: Tensor) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """The image of x and log |det ∂y/∂x|, summed over the event."""

    def _call(self, x: Tensor) -> Tensor:
        y, log_det = self.push(x)
        self._seen = (x, log_det)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Float[Tensor, " batch"]:
        """Log |det ∂y/∂x| per example, of the last call if that was for this very x."""
        seen, self._seen = self._seen, None
        return seen[1] if seen is not None and seen[0] is x else self.push(x)[1]


def push(transforms: Iterable[Transform], x: Float[Tensor, "batch *event"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
    """X through the transforms in their order, and the sum of their log-determinants."""
    total = x.new_zeros(len(x))
    for transform in transforms:
        y = transform(x)
        total = total + transform.log_abs_det_jacobian(x, y).reshape(len(x), -1).sum(1)
        x = y
    return x, total


def pull(transforms: Iterable[Transform], y: Float[Tensor, "batch *event"]) -> Tensor:
    """Y back through the transforms, the last one first."""
    for transform in reversed(list(transforms)):
        y = transform.inv(y)
    return y
