"""LayerNorm after or before the residual sum: small causal language models side by side, by depth, rate, warm-up."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework.data.text import BOS, PAD, PairSet, Vocabulary, is_word, load_pairs, padded, trimmed
from coursework.nets.transformer import CausalLM, Norm, TransformerBlock
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import rise
from coursework.training.task import Arrays, Metrics, Task

NORMS: tuple[Norm, ...] = ("post", "pre")


@dataclass(frozen=True)
class Config:
    """Which models, and how they train: one for each norm, depth, rate and warm-up.

    Attributes:
        dataset: sentence pairs by name; their English side is the text.
        num_train: training sentences.
        num_test: held-out sentences, of the validation and of the test split each.
        depths: blocks of a model.
        rates: step size of Adam, once the warm-up is over.
        warm_ups: steps over which the rate rises linearly; 0 is none.
        dim: coordinates of a word.
        num_heads: heads of each attention.
        hidden: coordinates inside the feed-forward nets.
        num_steps: steps of Adam.
        batch_size: sentences a step.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["pairs-generated"] = "pairs-generated"
    num_train: Annotated[int, Interval(ge=1, le=1_000_000)] = 1500
    num_test: Annotated[int, Interval(ge=1, le=100_000)] = 200
    depths: Annotated[tuple[Annotated[int, Interval(ge=1, le=64)], ...], Len(1, 8)] = (1, 5, 8, 16)
    rates: Annotated[tuple[Annotated[float, Interval(gt=0, le=1)], ...], Len(1, 8)] = (2e-3, 6e-3)
    warm_ups: Annotated[tuple[Annotated[int, Interval(ge=0, le=1_000_000)], ...], Len(1, 4)] = (0, 40)
    dim: Annotated[int, Interval(ge=2, le=4096)] = 32
    num_heads: Annotated[int, Interval(ge=1, le=64)] = 2
    hidden: Annotated[int, Interval(ge=1, le=16_384)] = 64
    num_steps: Annotated[int, Interval(ge=1, le=1_000_000)] = 90
    batch_size: Annotated[int, Interval(ge=1, le=100_000)] = 16
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "num_train": 200,
            "num_test": 50,
            "depths": (1, 5),
            "rates": (6e-3,),
            "warm_ups": (0, 10),
            "num_steps": 20,
        },
        "cpu": {},
        "full": {
            "num_train": 3000,
            "num_test": 500,
            "rates": (1e-3, 2e-3, 4e-3, 8e-3),
            "warm_ups": (0, 60),
            "dim": 64,
            "num_heads": 4,
            "hidden": 128,
            "num_steps": 150,
            "batch_size": 32,
        },
    }


class Gauge(nn.Module):
    """Loss and gradient norms of every step so far, in buffers, which checkpoints save.

    Args:
        num_steps: rows.
        num_gradients: columns of gradient norms.
    """

    losses: Float[Tensor, " step"]
    gradients: Float[Tensor, "step part"]
    taken: Tensor

    def __init__(self, num_steps: int, num_gradients: int) -> None:
        super().__init__()
        self.register_buffer("losses", torch.full((num_steps,), torch.nan))
        self.register_buffer("gradients", torch.full((num_steps, num_gradients), torch.nan))
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def note(self, loss: Tensor, gradients: list[Tensor]) -> None:
        """One more step: its loss, and the norms of these gradients before the step."""
        self.losses[self.taken] = loss.detach()
        self.gradients[self.taken] = torch.stack([gradient.norm() for gradient in gradients])
        self.taken.add_(1)


def name_of(norm: Norm, depth: int, rate: float, warm_up: int) -> str:
    """What a model's numbers are found under.

    >>> name_of("post", 8, 1e-3, 50)
    'post_8_0.001_50'
    """
    return f"{norm}_{depth}_{rate:g}_{warm_up}"


def sentence_nll(model: Callable[[Tensor], Tensor], words: Int[Tensor, "sentence step"]) -> Float[Tensor, " sentence"]:
    """−log p of each sentence's words and its end, given its beginning; nothing for the filling."""
    logits = model(words[:, :-1])
    return cross_entropy(logits.transpose(1, 2), words[:, 1:], ignore_index=PAD, reduction="none").sum(1)


def unigram_nll(train: Int[Tensor, "sentence step"], held_out: Int[Tensor, "other length"]) -> float:
    """−log p per word of the held-out sentences by the training words' frequencies, each counted once more."""
    counts = Counter(train[:, 1:][is_word(train[:, 1:])].tolist())
    words = held_out[:, 1:][is_word(held_out[:, 1:])].tolist()
    size = len(counts.keys() | set(words))
    total = sum(counts.values()) + size
    return -sum(math.log((counts[word] + 1) / total) for word in words) / len(words)


def build(config: Config) -> Task:
    """The models, each a player of its own with the batches of all, and their gauges.

    Raises:
        ConfigError: more sentences than there are.
        DeviceError: the device is absent.
    """
    device = resolve_device(config.device)
    sets = [load_pairs(config.dataset, "train", n=config.num_train)]
    sets += [load_pairs(config.dataset, split, n=config.num_test) for split in ("validation", "test")]
    vocabulary = Vocabulary.of(sets[0].sources)
    train, validation, test = (_sentences(vocabulary, one).to(device) for one in sets)
    longest = max(part.shape[1] for part in (train, validation, test))

    models: dict[str, nn.Module] = {}
    gauges: dict[str, Gauge] = {}
    players: dict[str, Player] = {}
    for norm, depth, rate, warm_up in product(NORMS, config.depths, config.rates, config.warm_ups):
        name = name_of(norm, depth, rate, warm_up)
        torch.manual_seed(config.seed)
        model = CausalLM(
            len(vocabulary), config.dim, depth, config.num_heads, config.hidden, norm, max_length=longest
        ).to(device)
        gauge = Gauge(config.num_steps, 1 + depth).to(device)
        models[name], gauges[name] = model, gauge
        players[name] = _player(model, gauge, train, rate, warm_up)

    @torch.no_grad()
    def evaluate() -> tuple[Metrics, Arrays]:
        metrics: Metrics = {"unigram_nll": unigram_nll(train.cpu(), test.cpu())}
        arrays: Arrays = {}
        for name, model in models.items():
            for split, words in (("validation", validation), ("test", test)):
                metrics[f"{name}_{split}_nll"] = float(sentence_nll(model, words).sum() / is_word(words[:, 1:]).sum())
            arrays[f"{name}_losses"] = gauges[name].losses.cpu()
            arrays[f"{name}_gradients"] = gauges[name].gradients.cpu()
        return metrics, arrays

    return Task(
        modules={**models, **{f"{name}_gauge": gauge for name, gauge in gauges.items()}},
        players=players,
        batches=index_batches(len(train), config.batch_size, config.seed, device),
        num_steps=config.num_steps,
        evaluate=evaluate,
    )


def _sentences(vocabulary: Vocabulary, pairs: PairSet) -> Int[Tensor, "sentence step"]:
    return padded([[BOS, *words] for words in vocabulary.encode(pairs.sources)])


def _player(model: CausalLM, gauge: Gauge, train: Tensor, rate: float, warm_up: int) -> Player:
    blocks = [block for block in model.stack.blocks if isinstance(block, TransformerBlock)]
    watched: list[Tensor] = [model.words.embedding.weight, *(b.feed_forward.outer.weight for b in blocks)]
    last: dict[str, Tensor] = {}

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        words = trimmed(train[index])
        per_sentence = sentence_nll(model, words)
        last["loss"] = per_sentence.sum() / is_word(words[:, 1:]).sum()
        return last["loss"], {"nll": per_sentence}

    adam = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    adam.register_step_pre_hook(
        lambda *_: gauge.note(last["loss"], [one.grad for one in watched if one.grad is not None])
    )
    return Player(loss, [adam], schedules=[partial(rise, num_steps=warm_up, fraction=1.0)])
