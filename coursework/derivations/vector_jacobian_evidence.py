"""Measured evidence for question D4: routes to one product, what `backward` refuses, passes, operations, memory."""

import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coursework.derivations import accumulation
from coursework.derivations.accumulation import Net, counted_multiplications, jacobian_by_rows, network

TOLERANCE = 1e-12
"""Largest difference between two routes that rounding in double precision explains, for numbers of order one."""

SIZES = (512, 256)
"""Inputs and hidden units of the network whose outputs are counted up."""

CHAIN = {"inputs": 512, "width": 64, "outputs": 16, "layers": 4}
"""The chain of Jacobians in the table of costs."""

Parts = tuple[Float[Tensor, "hidden input"], Float[Tensor, "output hidden"], Float[Tensor, " input"]]


def make_parts(inputs: int, width: int, outputs: int, seed: int) -> Parts:
    """Both weights and an input, standard normal, the weights divided by the root of their row length."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((width, inputs), (outputs, width), (inputs,))
    first, second, x = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return first / inputs**0.5, second / width**0.5, x


def refusal() -> str:
    """What torch says to `y.backward()` when y has two entries."""
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    try:
        (2 * x).backward()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("torch accepted backward() on a vector without gradient=")


def route_table(seed: int) -> tuple[pd.DataFrame, bool]:
    """One product on a small graph by every route, to four decimals; and whether all agree to `TOLERANCE`."""
    first, second, x = make_parts(3, 4, 2, seed)
    v = torch.tensor([1.0, -2.0], dtype=torch.float64)
    jacobian = accumulation.whole_jacobian(first, second, x)
    with_ones = accumulation.backward_with(first, second, x, torch.ones_like(v))
    products: dict[str, Tensor] = {
        "by hand, from the outputs": accumulation.reverse_product(first, second, x, v),
        "`y.backward(gradient=v)`": accumulation.backward_with(first, second, x, v),
        "`(v * y).sum().backward()`": accumulation.backward_of_weighted_sum(first, second, x, v),
        "`torch.func.vjp`": accumulation.vjp(first, second, x, v),
        "`v @ jacrev(f)(x)`": v @ jacobian,
        "one `torch.func.jvp` per input": torch.stack(
            [v @ accumulation.jvp(first, second, x, unit) for unit in torch.eye(3, dtype=torch.float64)]
        ),
    }
    reference = products["by hand, from the outputs"]
    agree = all(bool((product - reference).abs().max() <= TOLERANCE) for product in products.values())
    agree &= bool((with_ones - jacobian.sum(0)).abs().max() <= TOLERANCE)
    rows = {**products, "with ones for v: the rows of J added up": with_ones}
    frame = pd.DataFrame(
        [
            {"route": name} | {f"entry {p + 1}": _decimal(value) for p, value in enumerate(row)}
            for name, row in rows.items()
        ]
    )
    return frame, agree


def largest_discrepancy(count: int, seed: int = 0) -> float:
    """The largest difference between products by hand and by torch, in both directions, over random networks."""
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for instance in range(count):
        inputs, width, outputs = torch.randint(1, 33, (3,), generator=generator).tolist()
        parts = make_parts(inputs, width, outputs, seed + instance)
        v = torch.randn(outputs, generator=generator, dtype=torch.float64)
        u = torch.randn(inputs, generator=generator, dtype=torch.float64)
        pairs = (
            (accumulation.reverse_product(*parts, v), accumulation.backward_with(*parts, v)),
            (accumulation.reverse_product(*parts, v), accumulation.vjp(*parts, v)),
            (accumulation.forward_product(*parts, u), accumulation.jvp(*parts, u)),
            (accumulation.whole_jacobian(*parts), jacobian_by_rows(network(*parts[:2]), parts[2])),
        )
        worst = max(worst, *(float((one - other).abs().max()) for one, other in pairs))
    return worst


def cost_table() -> pd.DataFrame:
    """Vectors, and multiplications by formula and by torch's count, for the chain of `CHAIN`."""
    path = accumulation.path_multiplications(**CHAIN)
    rows = []
    for name, mode, vectors, cost in (
        ("one product, reverse", "gradient", 1, "$C$"),
        ("whole Jacobian, reverse", "reverse", CHAIN["outputs"], "$m\\, C$"),
        ("whole Jacobian, forward", "forward", CHAIN["inputs"], "$n\\, C$"),
    ):
        rows.append(
            {
                "what": name,
                "vectors": vectors,
                "cost": cost,
                "by formula": f"{vectors * path:,}",
                "counted by torch": f"{counted_multiplications(mode, **CHAIN):,}",
            }
        )
    return pd.DataFrame(rows)


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors made inside and still alive, and the most there ever were at once.

    Tensors that come in from outside, such as weights, count for nothing, nor do views of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._known.setdefault(leaf.untyped_storage(), True)
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and (storage := leaf.untyped_storage()) not in self._known:
                self._known[storage] = True
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._release, storage.nbytes())
        return out

    def _release(self, size: int) -> None:
        self.now -= size


def one_product(net: Net, x: Tensor, passes: list[int]) -> Tensor:
    """vᵀJ with ones for v; adds the number of backward passes that reached x to `passes`."""
    x, y = _counted(net, x, passes)
    return torch.autograd.grad(y, x, torch.ones_like(y))[0]


def all_rows(net: Net, x: Tensor, passes: list[int]) -> Tensor:
    """J, one backward pass per output; adds their number to `passes`."""
    x, y = _counted(net, x, passes)
    result = torch.empty(len(y), len(x), dtype=y.dtype)
    seed = torch.zeros_like(y)
    for row in range(len(y)):
        seed.zero_()
        seed[row] = 1
        result[row] = torch.autograd.grad(y, x, seed, retain_graph=True)[0]
    return result


def _counted(net: Net, x: Tensor, passes: list[int]) -> tuple[Tensor, Tensor]:
    x = x.detach().clone().requires_grad_()
    inside = x.view_as(x)
    inside.register_hook(lambda _: passes.append(1))
    return x, net(inside)


ROUTES: dict[str, Callable[[Net, Tensor, list[int]], Tensor]] = {"one product": one_product, "Jacobian": all_rows}


def count_table(num_outputs: Sequence[int], seed: int) -> pd.DataFrame:
    """Per number of outputs: backward passes and the most bytes of tensors alive at once; all exact."""
    rows = []
    for m in num_outputs:
        first, second, x = make_parts(*SIZES, m, seed)
        row: dict[str, Any] = {"outputs m": m}
        for name, route in ROUTES.items():
            passes: list[int] = []
            with LiveBytes() as live:
                route(network(first, second), x, passes)
            row |= {f"passes, {name}": len(passes), f"bytes, {name}": live.peak}
        rows.append(row)
    return pd.DataFrame(rows)


def seconds(num_outputs: Sequence[int], seed: int, repeats: int) -> dict[str, list[float]]:
    """Median seconds of each route of `ROUTES` at every number of outputs."""
    found: dict[str, list[float]] = {name: [] for name in ROUTES}
    for m in num_outputs:
        first, second, x = make_parts(*SIZES, m, seed)
        net = network(first, second)
        for name, route in ROUTES.items():
            times = []
            for _ in range(repeats + 1):
                began = time.perf_counter()
                route(net, x, [])
                times.append(time.perf_counter() - began)
            found[name].append(statistics.median(times[1:]))
    return found


def _decimal(value: Tensor) -> str:
    return f"{value.item():.4f}".replace("-", "−")
