"""What reverse and forward accumulation compute, and their cost (question D4)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp

from coursework.derivations import accumulation
from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.triangle import Instances

inputs, width, outputs = sp.symbols("n d m", integer=True, positive=True)
layers = sp.Symbol("L", integer=True, positive=True)
i, j, k, p, q, ell = sp.symbols("i j k p q l", integer=True, nonnegative=True)
first = array("B", width, inputs)
second = array("A", outputs, width)
x = array("x", inputs)
v = array("v", outputs)
u = array("u", inputs)

INPUT = sp.Le(p, inputs - 1)
_OUTPUT = sp.Le(q, outputs - 1)
_CHAIN = sp.Ge(layers, 2)


def hidden(unit: sp.Expr) -> Named:
    """One hidden unit, tanh of a linear form in x."""
    return Named("h", sp.tanh(total(first[unit, j] * x[j], (j, inputs))), unit)


def output(unit: sp.Expr) -> Named:
    """One output, a linear form in the hidden units."""
    return Named("y", total(second[unit, k] * hidden(k), (k, width)), unit)


def jacobian(row: sp.Expr, column: sp.Expr) -> sp.Sum:
    """Entry of J in closed form."""
    return total(second[row, k] * (1 - hidden(k) ** 2) * first[k, column], (k, width))


def _instances(last: sp.Expr) -> Instances:
    """Draws both weights, x, and a vector as long as an axis of the Jacobian."""

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        n, d, m = (int(size) for size in rng.integers(1, 6, 3))
        return tuple(rng.standard_normal(shape) for shape in ((d, n), (m, d), n, m if last == outputs else n))

    return draw


@derivation(
    "vjp",
    title="Vector times Jacobian",
    of=r"\frac{\partial (v^\top y)}{\partial x_p}",
    facts=(INPUT,),
    implements=accumulation.reverse_product,
    arguments=(first, second, x, v),
    free_indices=(p,),
    oracles={
        "`backward(gradient=v)`": accumulation.backward_with,
        "`(v * y).sum().backward()`": accumulation.backward_of_weighted_sum,
        "`torch.func.vjp`": accumulation.vjp,
        "the whole Jacobian of `torch.func.jacrev`": lambda B, A, x, v: v @ accumulation.whole_jacobian(B, A, x),
    },
    instances=_instances(outputs),
)
def vector_times_jacobian() -> Iterator[Step]:
    """The gradient of the scalar v·y, for a network with one hidden layer."""
    yield Step(
        sp.Derivative(total(v[i] * output(i), (i, outputs)), x[p]), because="the gradient of one number, $v^\\top y$"
    )
    yield Step(
        total(v[i] * sp.Derivative(output(i), x[p]), (i, outputs)),
        because="$v$ does not depend on $x$: this is entry $p$ of $J^\\top v$",
    )
    yield Step(total(v[i] * jacobian(i, p), (i, outputs)), because="chain rule through the hidden layer")
    yield Step(
        total(total(v[i] * second[i, k], (i, outputs)) * (1 - hidden(k) ** 2) * first[k, p], (k, width)),
        because="the sums exchanged: a vector of $d$ numbers, $A^\\top v$, is carried from the outputs to the inputs, "
        "and $J$ is nowhere formed",
    )


@derivation(
    "jacobian-row",
    title="A row of the Jacobian",
    of=r"\frac{\partial (v^\top y)}{\partial x_p}\Big|_{v = e_q}",
    facts=(INPUT, _OUTPUT),
    uses=("vjp",),
    oracles={
        "`torch.func.jacrev`": accumulation.whole_jacobian,
        "a backward pass per output": lambda B, A, x: accumulation.jacobian_by_rows(accumulation.network(B, A), x),
    },
    arguments=(first, second, x),
    free_indices=(q, p),
    instances=lambda rng: _instances(outputs)(rng)[:3],
)
def jacobian_row() -> Iterator[Step]:
    """A unit vector for v."""
    yield Step(
        total(sp.KroneckerDelta(i, q) * sp.Derivative(output(i), x[p]), (i, outputs)),
        because="the product above with the unit vector $e_q$",
    )
    yield Step(sp.Derivative(output(q), x[p]), because="one output is left: row $q$ of $J$")
    yield Step(jacobian(q, p), because="chain rule: $m$ outputs take $m$ such products")


@derivation(
    "vjp-one-output",
    title="One output needs no vector",
    of=r"\frac{\partial (v y)}{\partial x_p}",
    facts=(INPUT,),
    implements=accumulation.reverse_product,
    arguments=(first, array("a", width), x, sp.Symbol("v", real=True)),
    free_indices=(p,),
    oracles={"`(v * y).backward()`": accumulation.backward_of_weighted_sum},
    calling=lambda function: lambda B, a, x, v: function(B, a[None], x, v[None]),
    instances=lambda rng: (
        *(rng.standard_normal(shape) for shape in ((3, 4), 3, 4)),
        float(rng.standard_normal()),
    ),
)
def one_output() -> Iterator[Step]:
    """A single output: the vector has one entry, which is a factor; v = 1 loses nothing."""
    row, factor = array("a", width), sp.Symbol("v", real=True)
    y = Named("y", total(row[k] * hidden(k), (k, width)))
    yield Step(sp.Derivative(factor * y, x[p]), because="a single output, so that $v$ is a single number")
    yield Step(factor * sp.Derivative(y, x[p]), because="it is a factor: with $v = 1$, the gradient itself")
    yield Step(
        factor * total(row[k] * (1 - hidden(k) ** 2) * first[k, p], (k, width)),
        because="chain rule, as before",
    )


@derivation(
    "jvp",
    title="Jacobian times vector",
    of="(J u)_q",
    facts=(_OUTPUT,),
    implements=accumulation.forward_product,
    arguments=(first, second, x, u),
    free_indices=(q,),
    oracles={
        "forward mode (`torch.func.jvp`)": accumulation.jvp,
        "the whole Jacobian": lambda B, A, x, u: accumulation.whole_jacobian(B, A, x) @ u,
    },
    instances=_instances(inputs),
)
def jacobian_times_vector() -> Iterator[Step]:
    """The directional derivative along u, for the same network."""
    yield Step(
        total(u[p] * sp.Derivative(output(q), x[p]), (p, inputs)),
        because="how output $q$ changes when $x$ moves along $u$",
    )
    yield Step(total(u[p] * jacobian(q, p), (p, inputs)), because="chain rule through the hidden layer")
    yield Step(
        total(second[q, k] * (1 - hidden(k) ** 2) * total(first[k, p] * u[p], (p, inputs)), (k, width)),
        because="the sums exchanged: one vector, $B u$, is carried from the inputs to the outputs",
    )


_COST = inputs * width + (layers - 2) * width**2 + width * outputs


def _through_the_chain(vectors: sp.Expr) -> Iterator[Step]:
    middle = total(vectors * width * width, (ell, layers - 2))
    yield Step(
        vectors * width * inputs + middle + vectors * outputs * width,
        because="a vector through a matrix of $a$ rows and $b$ columns takes $a b$ multiplications; matrices of "
        "shapes $d \\times n$, $d \\times d$ between, and $m \\times d$",
    )
    yield Step(
        vectors * (inputs * width + total(width**2, (ell, layers - 2)) + width * outputs),
        because="every vector takes the same path",
    )
    yield Step(vectors * _COST, because="$L - 2$ layers between the first and the last")


def _counted(mode: str) -> Callable[[int, int, int, int], int]:
    return lambda n, d, m, length: accumulation.counted_multiplications(mode, n, d, m, length)


def _chain_instances(rng: np.random.Generator) -> tuple[float, ...]:
    return (*(float(size) for size in rng.integers(1, 9, 3)), float(rng.integers(2, 6)))


_CHAIN_FIELDS: dict[str, Any] = {
    "facts": (_CHAIN,),
    "arguments": (inputs, width, outputs, layers),
    "instances": _chain_instances,
    "calling": lambda function: lambda *sizes: function(*(int(size) for size in sizes)),
}


@derivation(
    "cost-reverse",
    title="Jacobian in reverse mode: multiplications",
    of=r"C_{\text{reverse}}",
    implements=accumulation.reverse_multiplications,
    oracles={"torch's count": _counted("reverse")},
    **_CHAIN_FIELDS,
)
def cost_reverse() -> Iterator[Step]:
    """A seed per output."""
    yield from _through_the_chain(outputs)


@derivation(
    "cost-forward",
    title="Jacobian in forward mode: multiplications",
    of=r"C_{\text{forward}}",
    implements=accumulation.forward_multiplications,
    oracles={"torch's count": _counted("forward")},
    **_CHAIN_FIELDS,
)
def cost_forward() -> Iterator[Step]:
    """A seed per input."""
    yield from _through_the_chain(inputs)


@derivation(
    "cost-ratio",
    title="Forward against reverse mode",
    of=r"\frac{C_{\text{forward}}}{C_{\text{reverse}}}",
    uses=("cost-forward", "cost-reverse"),
    oracles={"torch's counts": lambda *sizes: _counted("forward")(*sizes) / _counted("reverse")(*sizes)},
    **_CHAIN_FIELDS,
)
def cost_ratio() -> Iterator[Step]:
    """The path is the same; only the number of vectors differs."""
    forward, reverse = (
        size * inputs * width + (layers - 2) * size * width**2 + size * width * outputs for size in (inputs, outputs)
    )
    yield Step(forward / reverse, because="the two counts")
    yield Step(inputs / outputs, because="the path cancels")
