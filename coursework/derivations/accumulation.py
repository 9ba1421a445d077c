"""Products with a Jacobian, by hand and by torch, for f(x) = second · tanh(first · x); and what they cost."""

import itertools
import warnings
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

Net = Callable[[Tensor], Tensor]


def network(first: Float[Tensor, "hidden input"], second: Float[Tensor, "output hidden"]) -> Net:
    """The function x → second · tanh(first · x)."""
    return lambda x: second @ torch.tanh(first @ x)


def reverse_product(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    v: Float[Tensor, " output"],
) -> Float[Tensor, " input"]:
    """vᵀJ at x, accumulated from the outputs to the inputs, one vector per stage."""
    slope = 1 - torch.tanh(first @ x) ** 2
    return first.T @ (slope * (second.T @ v))


def forward_product(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    u: Float[Tensor, " input"],
) -> Float[Tensor, " output"]:
    """J u at x, accumulated from the inputs to the outputs, one vector per stage."""
    slope = 1 - torch.tanh(first @ x) ** 2
    return second @ (slope * (first @ u))


def backward_with(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    v: Float[Tensor, " output"],
) -> Float[Tensor, " input"]:
    """What `backward(gradient=v)` leaves at x."""
    x = x.detach().clone().requires_grad_()
    network(first, second)(x).backward(gradient=v)
    assert x.grad is not None
    return x.grad


def backward_of_weighted_sum(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    v: Float[Tensor, " output"],
) -> Float[Tensor, " input"]:
    """What `(v * y).sum().backward()` leaves at x: the gradient of a scalar, without an argument."""
    x = x.detach().clone().requires_grad_()
    (v * network(first, second)(x)).sum().backward()
    assert x.grad is not None
    return x.grad


def vjp(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    v: Float[Tensor, " output"],
) -> Float[Tensor, " input"]:
    """The same product by `torch.func.vjp`."""
    return torch.func.vjp(network(first, second), x)[1](v)[0]


def whole_jacobian(
    first: Float[Tensor, "hidden input"], second: Float[Tensor, "output hidden"], x: Float[Tensor, " input"]
) -> Float[Tensor, "output input"]:
    """J at x by `torch.func.jacrev`."""
    return torch.func.jacrev(network(first, second))(x)


def jvp(
    first: Float[Tensor, "hidden input"],
    second: Float[Tensor, "output hidden"],
    x: Float[Tensor, " input"],
    u: Float[Tensor, " input"],
) -> Float[Tensor, " output"]:
    """J u by forward mode, `torch.func.jvp`."""
    with warnings.catch_warnings():  # torch's forward mode compiles some formulas when it is first used
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        return torch.func.jvp(network(first, second), (x,), (u,))[1]


def jacobian_by_rows(net: Net, x: Float[Tensor, " input"]) -> Float[Tensor, "output input"]:
    """J at x, one backward pass per output: row i is the product with the i-th unit vector."""
    x = x.detach().clone().requires_grad_()
    y = net(x)
    seeds = torch.eye(len(y), dtype=y.dtype)
    return torch.stack([torch.autograd.grad(y, x, seed, retain_graph=True)[0] for seed in seeds])


def path_multiplications(inputs: int, width: int, outputs: int, layers: int) -> int:
    """Multiplications that take one vector through a chain of Jacobians, in either direction.

    The chain has `layers` ≥ 2 matrices, of shapes (width, inputs), `layers` − 2 times (width, width), and
    (outputs, width); a product of an a × b matrix and a vector costs a b.
    """
    return inputs * width + (layers - 2) * width**2 + width * outputs


def reverse_multiplications(inputs: int, width: int, outputs: int, layers: int) -> int:
    """Multiplications for the whole Jacobian of the chain in reverse mode: a vector per output."""
    return outputs * path_multiplications(inputs, width, outputs, layers)


def forward_multiplications(inputs: int, width: int, outputs: int, layers: int) -> int:
    """Multiplications for the whole Jacobian of the chain in forward mode: a vector per input."""
    return inputs * path_multiplications(inputs, width, outputs, layers)


def counted_multiplications(mode: str, inputs: int, width: int, outputs: int, layers: int) -> int:
    """What torch counts while it multiplies such a chain, seeded with an identity matrix, from one end to the other.

    Args:
        mode: `reverse`, from the outputs' end; `forward`, from the inputs' end; or `gradient`, in reverse with one
            vector for seed.
        inputs: columns of the first matrix.
        width: rows and columns between.
        outputs: rows of the last matrix.
        layers: matrices.
    """
    sizes = [inputs, *[width] * (layers - 1), outputs]
    chain = [torch.empty(above, below) for below, above in itertools.pairwise(sizes)]
    with FlopCounterMode(display=False) as counter:
        if mode == "forward":
            product = torch.empty(inputs, inputs)
            for matrix in chain:
                product = matrix @ product
        else:
            product = torch.empty(1 if mode == "gradient" else outputs, outputs)
            for matrix in reversed(chain):
                product = product @ matrix
    return counter.get_total_flops() // 2  # a multiplication and an addition each
