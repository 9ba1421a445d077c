"""English to French: a GRU encoder and decoder with additive attention, and what its attention maps show."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from coursework.data.text import PAD, PairSet, Vocabulary, bucketed_batches, is_word, load_pairs, padded, trimmed
from coursework.metrics.translation import (
    alignment_error_rate,
    best_links,
    diagonal_links,
    exact_match,
    token_accuracy,
)
from coursework.models.seq2seq import Translator, sentence_nll
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task

_LONGEST = 40
"""Words after which a translation that does not end is cut."""


@dataclass(frozen=True)
class Config:
    """Sentence pairs, model and training.

    Attributes:
        dataset: sentence pairs by name.
        num_train: training pairs.
        num_test: held-out pairs.
        holdout: the split they are from: `test`, or, to choose anything by, `validation`.
        embed_dim: coordinates of a word.
        dim: coordinates of a state, in each direction of the encoder.
        epochs: passes over the training pairs.
        batch_size: pairs a step.
        rate: first step size of Adam, falling to zero along a half cosine.
        clip: largest norm of the gradient.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["pairs-generated"] = "pairs-generated"
    num_train: Annotated[int, Interval(ge=1, le=1_000_000)] = 4000
    num_test: Annotated[int, Interval(ge=1, le=100_000)] = 400
    holdout: Literal["test", "validation"] = "test"
    embed_dim: Annotated[int, Interval(ge=1, le=4096)] = 32
    dim: Annotated[int, Interval(ge=1, le=4096)] = 64
    epochs: Annotated[int, Interval(ge=1, le=10_000)] = 9
    batch_size: Annotated[int, Interval(ge=1, le=100_000)] = 100
    rate: Annotated[float, Interval(gt=0, le=1)] = 8e-3
    clip: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 600, "num_test": 100, "epochs": 4},
        "cpu": {},
        "full": {},
    }


def corpus(config: Config) -> tuple[PairSet, PairSet, Vocabulary, Vocabulary]:
    """Training pairs, held-out pairs, and the vocabularies of the training pairs, source and target.

    Raises:
        ConfigError: more pairs than there are.
    """
    train = load_pairs(config.dataset, "train", n=config.num_train)
    held_out = load_pairs(config.dataset, config.holdout, n=config.num_test)
    return train, held_out, Vocabulary.of(train.sources), Vocabulary.of(train.targets)


def build(config: Config) -> Task:
    """The translator, its Adam, and its scores on held-out pairs.

    Raises:
        ConfigError: more pairs than there are.
        DeviceError: the device is absent.
    """
    device = resolve_device(config.device)
    train, held_out, english, french = corpus(config)
    source, target = (padded(v.encode(s)).to(device) for v, s in ((english, train.sources), (french, train.targets)))
    model = Translator(len(english), len(french), config.embed_dim, config.dim).to(device)
    num_steps = config.epochs * math.ceil(len(train) / config.batch_size)

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        words = trimmed(target[index])
        per_sentence = sentence_nll(model(trimmed(source[index]), words)[0], words)
        return per_sentence.mean(), {"nll": per_sentence}

    optimizer = torch.optim.Adam(model.parameters(), lr=config.rate)

    def clip(*_: object) -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)

    optimizer.register_step_pre_hook(clip)

    def evaluate() -> tuple[Metrics, Arrays]:
        model.eval()
        return evaluation(model, held_out, train, english, french, device)

    return Task(
        modules={"translator": model},
        players={"translator": Player(loss, [optimizer], schedules=[lambda step: half_cosine(step, num_steps)])},
        batches=bucketed_batches(is_word(target).sum(1).cpu(), config.batch_size, config.seed),
        num_steps=num_steps,
        evaluate=evaluate,
    )


@torch.no_grad()
def evaluation(
    model: Translator,
    held_out: PairSet,
    train: PairSet,
    english: Vocabulary,
    french: Vocabulary,
    device: torch.device,
) -> tuple[Metrics, Arrays]:
    """Scores beside their baselines, and the attention maps of the reference translations."""
    source, target = (
        padded(v.encode(s)).to(device) for v, s in ((english, held_out.sources), (french, held_out.targets))
    )
    logits, maps = model(source, target)
    written, _ = model.greedy(source, _LONGEST)
    hypotheses = [french.decode(numbers) for numbers in written.tolist()]
    commonest = Counter(number for sentence in french.encode(train.targets) for number in sentence).most_common(1)
    constant = torch.full_like(target, commonest[0][0])
    maps, target = maps.cpu(), target.cpu()
    metrics: Metrics = {
        "token_accuracy": token_accuracy(logits.argmax(-1).cpu(), target, PAD),
        "token_baseline": token_accuracy(constant.cpu(), target, PAD),
        "exact_match": exact_match(hypotheses, [list(sentence) for sentence in held_out.targets]),
        "nll_per_word": float(sentence_nll(logits.cpu(), target).sum() / is_word(target).sum()),
        "unknown_words": float(sum(english.missing(held_out.sources).values())),
        "parameters": float(sum(p.numel() for p in model.parameters())),
    }
    attended = [
        best_links(rows[: len(pair.target), : len(pair.source)])
        for rows, pair in zip(maps, held_out.pairs, strict=True)
    ]
    diagonal = [diagonal_links(len(pair.target), len(pair.source)) for pair in held_out.pairs]
    crossed = [is_reordered(pair.sure) for pair in held_out.pairs]
    for name, links in (("attention", attended), ("diagonal", diagonal)):
        for subset, chosen in (("", [True] * len(crossed)), ("_reordered", crossed)):
            rows = [(a, p.sure, p.possible) for a, p, use in zip(links, held_out.pairs, chosen, strict=True) if use]
            if rows:
                metrics[f"{name}_error{subset}"] = alignment_error_rate(*zip(*rows, strict=True))
    metrics["reordered"] = sum(crossed) / len(crossed)
    return metrics, {"maps": maps, "translations": written.cpu()}


def is_reordered(links: frozenset[tuple[int, int]]) -> bool:
    """Whether two links cross: a later target word belongs to an earlier source word."""
    return any(t < u and s > v for t, s in links for u, v in links)
