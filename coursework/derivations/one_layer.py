"""What one hidden layer can be asked for: activations that fail, a loss without a minimum, labels learnt by heart."""

from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

count = sp.Symbol("n", integer=True, positive=True)
i = sp.Symbol("i", integer=True, nonnegative=True)
x, h, w = sp.symbols("x h w", real=True)
coefficient, slope, offset = (sp.IndexedBase(sp.Symbol(name, real=True), shape=(count,)) for name in "awb")


def third_difference(
    a: Float[Tensor, " unit"],
    w: Float[Tensor, " unit"],
    b: Float[Tensor, " unit"],
    x: Float[Tensor, ""],
    h: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """f(x + 3h) − 3 f(x + 2h) + 3 f(x + h) − f(x) for the net f with squares as its activation."""
    values = torch.stack([(a * (w * (x + m * h) + b) ** 2).sum() for m in range(4)])
    return (values * torch.tensor([-1.0, 3.0, -3.0, 1.0], dtype=values.dtype)).sum()


def third_difference_of_fit(
    a: Float[Tensor, " unit"],
    w: Float[Tensor, " unit"],
    b: Float[Tensor, " unit"],
    x: Float[Tensor, ""],
    h: Float[Tensor, ""],
) -> float:
    """The same from the parabola through three of the four values: how far the fourth is from it."""
    places = x.item() + h.item() * np.arange(4)
    values = [float((a * (w * float(place) + b) ** 2).sum()) for place in places]
    parabola = np.polynomial.Polynomial.fit(places[:3], values[:3], 2)
    return values[3] - float(parabola(places[3]))


def _random_net(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    units = int(rng.integers(1, 9))
    return (*rng.standard_normal((3, units)), float(rng.uniform(-1, 1)), float(rng.uniform(0.2, 1)))


@derivation(
    "square-activation",
    title="One layer of squares",
    of=r"\Delta_h^3 f(x)",
    implements=third_difference,
    arguments=(coefficient, slope, offset, x, h),
    oracles={"a parabola through three values": third_difference_of_fit},
    instances=_random_net,
)
def square_activation() -> Iterator[Step]:
    """The third difference of any net with u² as its activation, of any width."""

    def term(place: sp.Expr) -> sp.Expr:
        return coefficient[i] * (slope[i] * place + offset[i]) ** 2

    def net(place: sp.Expr) -> Named:
        return Named("f", sp.Sum(term(place), (i, 0, count - 1)), place)

    inside = term(x + 3 * h) - 3 * term(x + 2 * h) + 3 * term(x + h) - term(x)
    yield Step(net(x + 3 * h) - 3 * net(x + 2 * h) + 3 * net(x + h) - net(x), because="definition of the difference")
    yield Step(sp.Sum(sp.expand(inside), (i, 0, count - 1)), because="taken unit by unit, each a parabola")
    yield Step(sp.Integer(0), because="whatever the width and the weights: the net is a parabola")


def logistic_slope(w: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Derivative of the cross-entropy log(1 + exp(−w)) of one example that a classifier has on the right side."""
    return -torch.sigmoid(-w)


def logistic_slope_by_autograd(w: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The same by reverse mode through torch's loss."""
    place = w.detach().requires_grad_()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(place, torch.ones_like(place))
    return torch.autograd.grad(loss, place)[0]


@derivation(
    "separable-loss",
    title="Cross-entropy, data told apart",
    of=r"\frac{\partial L}{\partial w}",
    implements=logistic_slope,
    arguments=(w,),
    oracles={"autograd": logistic_slope_by_autograd},
)
def separable_loss() -> Iterator[Step]:
    """The loss falls for ever: an infimum of zero that no weight attains."""
    yield Step(sp.Derivative(sp.log(1 + sp.exp(-w)), w), because="the loss of one example with margin $w$")
    yield Step(-sp.exp(-w) / (1 + sp.exp(-w)), because="chain rule")
    yield Step(-1 / (1 + sp.exp(w)), because="multiplied by $e^w$ above and below: negative for every $w$")
