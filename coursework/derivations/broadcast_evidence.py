"""Measured evidence for question D5: the closed form beside autograd and differences, on the real layer."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.data import load
from coursework.derivations.broadcast_loss import (
    autograd_gradients,
    broadcast_gradients,
    broadcast_loss,
    difference_gradients,
    make_layer,
)

SIDE = 32
BATCH_SIZES = (1, 4)
SMALLEST = 3
TOLERANCE = 1e-10
"""Largest relative difference between autograd and the closed form that rounding in double precision explains."""

ROUTES = {
    "closed form": broadcast_gradients,
    "autograd": autograd_gradients,
    "central differences": difference_gradients,
}


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """A layer's parameters and a batch for it; `x` and `y` are the first image and the first target alone.

    All numbers are small multiples of a power of two: every product and sum of the loss and its gradients fits into
    double precision, so that results are exact and the same on every machine.
    """

    weight: Float[Tensor, "row column"]
    bias: Float[Tensor, ""]
    xs: Float[Tensor, "batch 1 row column"]
    ys: Float[Tensor, "batch row column"]

    @property
    def x(self) -> Float[Tensor, "1 row column"]:
        """The first image."""
        return self.xs[0]

    @property
    def y(self) -> Float[Tensor, "row column"]:
        """The first target."""
        return self.ys[0]

    @property
    def output(self) -> Float[Tensor, ""]:
        """What the layer makes of the first image."""
        return make_layer(self.weight, self.bias)(self.x).detach().squeeze()


def example(seed: int = 0, batch_size: int = BATCH_SIZES[-1]) -> Example:
    """Handwritten digits of 8 × 8 pixels, each pixel enlarged to 4 × 4, as images and as targets; random weights.

    Each target is half as bright as the one before, so that the means of the targets differ.
    """
    digits = load("digits", "test", n=2 * batch_size).images.double() / 256
    images = digits.repeat_interleave(4, -1).repeat_interleave(4, -2)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-8, 9, (SIDE, SIDE), generator=generator).double() / 256
    bias = torch.randint(32, 65, (), generator=generator).double() / 256
    dimmed = images[:batch_size] * 0.5 ** torch.arange(batch_size)[:, None, None]
    return Example(weight, bias, images[batch_size:, None], dimmed)


def route_table(case: Example) -> pd.DataFrame:
    """Three ways to the gradients of one image against one target, and how far each is from the closed form."""
    reference = broadcast_gradients(case.weight, case.bias, case.x, case.y)
    rows = []
    for name, route in ROUTES.items():
        by_weight, by_bias = route(case.weight, case.bias, case.x, case.y)
        gap = max(float((by_weight - reference[0]).abs().max()), float((by_bias - reference[1]).abs()))
        rows.append(
            {
                "route": name,
                "∂L/∂b": f"{by_bias:.4f}",
                "∂L/∂w, largest": f"{by_weight.max():.4f}",
                "difference": f"{gap:.1g}",
            }
        )
    return pd.DataFrame(rows)


def target_table(case: Example) -> pd.DataFrame:
    """The three shapes that targets of a batch may have: what is compared with what, and what follows.

    An output is pulled towards the value at which the loss, a parabola in each output, has no slope; slopes and
    values are autograd's.
    """
    rows = []
    for y in (case.y, case.ys[:, None], case.ys):
        s = make_layer(case.weight, case.bias)(case.xs).detach().requires_grad_()
        shape = torch.broadcast_shapes(s.shape, y.shape)
        (slope,) = torch.autograd.grad(broadcast_loss(s, y), [s])
        lowest = (s - slope / (2 * shape.numel() // s.numel())).flatten()
        ours, theirs = (
            route(case.weight, case.bias, case.xs, y) for route in (broadcast_gradients, autograd_gradients)
        )
        gap = max(float((one - other).abs().max()) for one, other in zip(ours, theirs, strict=True))
        rows.append(
            {
                "targets": _shape(y.shape),
                "differences": _shape(shape),
                "squares": f"{shape.numel():,}",
                "pulled towards": ", ".join(f"{value:.3f}" for value in lowest),
                "∂L/∂b": f"{ours[1]:.2f}",
                "gap to autograd": f"{gap:.1g}",
            }
        )
    return pd.DataFrame(rows)


def change_table(case: Example) -> pd.DataFrame:
    """Changes to the layer or the loss, and what becomes of the gradient, as a multiple of the image."""
    plain: dict[str, Any] = {"kernel_size": SIDE}
    mean = nn.functional.mse_loss
    changes: dict[str, tuple[dict[str, Any], Callable[[Tensor, Tensor], Tensor]]] = {
        "as asked": (plain, broadcast_loss),
        "no bias": ({**plain, "bias": False}, broadcast_loss),
        "mean of the squares": (plain, lambda output, y: mean(output.expand(1, *y.shape), y[None])),
        "against the target's mean": (plain, lambda output, y: broadcast_loss(output, y.mean())),
        "kernel one pixel smaller": ({"kernel_size": SIDE - 1}, broadcast_loss),
        "padding by one pixel": ({**plain, "padding": 1}, broadcast_loss),
    }
    rows = []
    for name, (options, loss) in changes.items():
        output, verdict = _changed(case, options, loss)
        rows.append({"change": name, "output": _shape(output), "∂L/∂w divided by x": verdict})
    return pd.DataFrame(rows)


def _changed(
    case: Example, options: dict[str, Any], loss: Callable[[Tensor, Tensor], Tensor]
) -> tuple[tuple[int, ...], str]:
    layer = nn.Conv2d(1, 1, dtype=torch.float64, **options)
    height, width = layer.kernel_size
    layer.weight = nn.Parameter(case.weight[None, None, :height, :width].clone())
    if layer.bias is not None:
        layer.bias = nn.Parameter(case.bias[None].clone())
    output = layer(case.x)
    try:
        value = loss(output, case.y)
    except RuntimeError:
        return tuple(output.shape), "torch refuses: the shapes do not broadcast"
    (gradient,) = torch.autograd.grad(value, [layer.weight])
    bright = case.x > 0
    ratios = gradient[0][bright] / case.x[bright]
    spread = float(ratios.max() - ratios.min())
    return tuple(output.shape), f"{ratios.mean():.4f}" if spread < TOLERANCE else "not one number"


def largest_discrepancy(count: int, seed: int = 0) -> float:
    """The largest relative difference between closed form and autograd over `count` random instances.

    Image sizes are drawn from 3 to 32 in each direction, batch sizes are 1 and 4 in turn, and the targets take each
    of the three shapes of `target_table`.
    """
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for instance in range(count):
        rows, columns = torch.randint(SMALLEST, SIDE + 1, (2,), generator=generator).tolist()
        size = BATCH_SIZES[instance % len(BATCH_SIZES)]

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        weight, bias, x = draw(rows, columns), draw(1)[0], draw(size, 1, rows, columns)
        for y in (draw(rows, columns), draw(size, 1, rows, columns), draw(size, rows, columns)):
            ours, theirs = (route(weight, bias, x, y) for route in (broadcast_gradients, autograd_gradients))
            for one, other in zip(ours, theirs, strict=True):
                worst = max(worst, float((one - other).abs().max() / other.abs().max().clamp(min=1)))
    return worst


def loss_curve(case: Example, points: int = 101) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
    """Outputs on both sides of the best one, somewhat farther out than the layer's, and the loss at each."""
    best = case.y.mean()
    reach = 1.6 * (case.output - best).abs()
    outputs = torch.linspace(float(best - reach), float(best + reach), points, dtype=torch.float64)
    return outputs, torch.stack([broadcast_loss(output, case.y) for output in outputs])


def _shape(shape: tuple[int, ...] | torch.Size) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
