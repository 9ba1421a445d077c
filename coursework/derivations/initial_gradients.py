"""Gradients and lengths of transformer stacks before training, against depth: measured, and fitted (study S-TR)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework.derivations.residual_norm import Norm
from coursework.nets.transformer import Stack, TransformerBlock

DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
NORMS: tuple[Norm, ...] = ("post", "pre")
LABELS: dict[Norm, str] = {"post": "post-LN", "pre": "pre-LN"}
LIMITS: dict[Norm, float] = {"post": 0.0, "pre": -0.5}
"""Exponent of the last layer's gradient in the limit of depth."""

SLACK = 0.06
"""How far from the limit a fitted exponent may be, its interval included."""

BOUNDS = (0.5, 1.5)
"""Least and largest growth of a pre-LN vector's squared length over its width, per layer."""

POSITIONS = 16
SENTENCES = 8


@dataclass(frozen=True)
class Initial:
    """A stack before training.

    Attributes:
        gradients: norm of the loss's gradient for each layer's second feed-forward matrix, first layer first.
        lengths: squared length of a position's vector divided by its dimension: of the input, and after each layer.
        embedding: norm of the gradient for the input vectors.
    """

    gradients: Float[Tensor, " layer"]
    lengths: Float[Tensor, " state"]
    embedding: float


@dataclass(frozen=True)
class Exponent:
    """A fitted power of depth: the mean over seeds, and its 95 % interval."""

    value: float
    low: float
    high: float

    def near(self, limit: float) -> bool:
        """Whether the whole interval is within `SLACK` of the limit."""
        return limit - SLACK <= self.low and self.high <= limit + SLACK


def blocks_of(stack: Stack) -> list[TransformerBlock]:
    """The stack's blocks, lowest first."""
    return [block for block in stack.blocks if isinstance(block, TransformerBlock)]


def theory_stack(norm: Norm, dim: int, depth: int, seed: int) -> Stack:
    """A stack as the theory has it: one head, as many hidden units as coordinates, query and key weights zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stack = Stack(depth, dim, 1, dim, norm)
    for block in blocks_of(stack):
        for linear in (block.attention.query, block.attention.key):
            nn.init.zeros_(linear.weight)
    return stack


def initial(norm: Norm, dim: int, depth: int, seed: int, *, average: bool = False) -> Initial:
    """Gradients and lengths of a stack at initialisation, in the setting in which the theory is stated.

    Xavier's initialisation, biases zero; standard normal input vectors; softmax over `dim` words whose vectors are
    normal with variance 1 / dim, drawn targets, and for pre-LN a last LayerNorm before it. The loss is that of a
    sentence's last position, and norms are means over sentences; for the last layer, whose gradient has to do with one
    position only, over all positions too, each with its own loss.

    Args:
        norm: where LayerNorm stands.
        dim: coordinates, hidden units and words.
        depth: layers.
        seed: of weights, inputs and targets.
        average: the loss is the mean over all positions of all sentences instead, and a norm that of its one gradient.

    Reference: Xiong et al., arXiv:2002.04745, section 3.3.
    """
    stack = theory_stack(norm, dim, depth, 1_000 * seed + depth)
    generator = torch.Generator().manual_seed(1_000 * seed + depth)
    x = torch.randn(SENTENCES, POSITIONS, dim, generator=generator).requires_grad_()
    words = torch.randn(dim, dim, generator=generator) / dim**0.5
    targets = torch.randint(0, dim, (SENTENCES, POSITIONS), generator=generator)
    hidden: list[Tensor] = []
    outputs: list[Tensor] = []
    h, lengths = x, [x.detach().square().mean()]
    for block in blocks_of(stack):
        block.feed_forward.outer.register_forward_hook(_keep(hidden, outputs))
        h = block(h)
        lengths.append(h.detach().square().mean())
    losses = cross_entropy((stack.last(h) @ words.T).transpose(1, 2), targets, reduction="none")
    if average:
        *slopes, at_input = torch.autograd.grad(losses.mean(), [*outputs, x])
        whole = [
            (slope.flatten(0, 1).T @ given.flatten(0, 1)).norm() for slope, given in zip(slopes, hidden, strict=True)
        ]
        return Initial(torch.stack(whole), torch.stack(lengths), float(at_input.norm()))
    own = torch.autograd.grad(losses.sum(), outputs[-1], retain_graph=True)[0]
    *slopes, at_input = torch.autograd.grad(losses[:, -1].sum(), [*outputs, x])
    matrices = [slope.transpose(1, 2) @ given for slope, given in zip(slopes, hidden, strict=True)]
    norms = torch.stack([matrix.flatten(1).norm(dim=1).mean() for matrix in matrices])
    norms[-1] = (own.norm(dim=-1) * hidden[-1].norm(dim=-1)).mean()
    return Initial(norms, torch.stack(lengths), float(at_input.flatten(1).norm(dim=1).mean()))


def _keep(hidden: list[Tensor], outputs: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A hook that keeps what a linear layer reads and what it gives: its gradient is a product of both."""

    def hook(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        hidden.append(given[0].detach())
        outputs.append(output)

    return hook


def survey(
    norm: Norm, dim: int, seeds: Sequence[int], depths: Sequence[int] = DEPTHS, *, average: bool = False
) -> list[list[Initial]]:
    """Stacks of every depth, drawn anew for each seed: seed → depth → what `initial` finds."""
    return [[initial(norm, dim, depth, seed, average=average) for depth in depths] for seed in seeds]


def last_gradients(found: Sequence[Sequence[Initial]]) -> Float[np.ndarray, "seed depth"]:
    """Gradient norms of the last layers."""
    return np.array([[float(one.gradients[-1]) for one in row] for row in found])


def input_gradients(found: Sequence[Sequence[Initial]]) -> Float[np.ndarray, "seed depth"]:
    """Gradient norms at the input vectors."""
    return np.array([[one.embedding for one in row] for row in found])


def last_lengths(found: Sequence[Sequence[Initial]]) -> Float[np.ndarray, "seed depth"]:
    """Squared lengths, divided by the dimension, at the upper end of the stacks."""
    return np.array([[float(one.lengths[-1]) for one in row] for row in found])


def exponent(values: Float[np.ndarray, "seed depth"], depths: Sequence[int] = DEPTHS) -> Exponent:
    """Slope of log value against log depth by least squares, one per seed; mean and Student's interval over seeds.

    Raises:
        ValueError: fewer than two seeds, which have no spread.

    >>> exponent(np.array([[1.0, 0.5, 0.25], [2.0, 1.0, 0.5]]), (1, 4, 16)).value
    -0.5
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} seed(s): an interval takes at least two.")
    slopes = np.polyfit(np.log(depths), np.log(values).T, 1)[0]
    half = stats.t.ppf(0.975, len(slopes) - 1) * slopes.std(ddof=1) / len(slopes) ** 0.5
    mean = round(float(slopes.mean()), 12)
    return Exponent(mean, mean - float(half), mean + float(half))


def mean_lengths(found: Sequence[Sequence[Initial]]) -> Float[np.ndarray, " state"]:
    """Squared lengths of the deepest stacks, input and after each layer, mean over seeds."""
    return np.mean([row[-1].lengths.numpy() for row in found], 0)


def lengths_inside(lengths: Float[np.ndarray, " state"]) -> bool:
    """Whether squared lengths that start at one grow between the bounds, up to a twentieth."""
    layers = np.arange(len(lengths))
    low, high = (1 + growth * layers for growth in BOUNDS)
    return bool(((lengths > 0.95 * low) & (lengths < 1.05 * high)).all())


def layer_gradients(found: Sequence[Sequence[Initial]]) -> Float[np.ndarray, "seed layer"]:
    """Gradient norms of every layer of the deepest stacks."""
    return np.array([row[-1].gradients.numpy() for row in found])


def first_over_last(found: Sequence[Sequence[Initial]]) -> float:
    """Gradient norm of the first layer over that of the last in the deepest stacks: geometric mean over seeds."""
    norms = layer_gradients(found)
    return float(np.exp(np.log(norms[:, 0] / norms[:, -1]).mean()))


@torch.no_grad()
def output_shift(norm: Norm, dim: int, depth: int, seed: int, scale: float = 0.01) -> float:
    """Mean squared change of a stack's output entries when all its matrices change a little, over scale².

    Every entry of a matrix is given normal noise, `scale` times as large as the matrix's entries. Outputs have variance
    one, through the last LayerNorm.
    """
    stack = theory_stack(norm, dim, depth, 1_000 * seed + depth)
    generator = torch.Generator().manual_seed(1_000 * seed + depth)
    x = torch.randn(SENTENCES, POSITIONS, dim, generator=generator)
    before = stack(x)
    for weight in stack.parameters():
        if weight.dim() == 2:
            weight.add_(scale * weight.std() * torch.randn(weight.shape, generator=generator))
    return float((stack(x) - before).square().mean()) / scale**2
