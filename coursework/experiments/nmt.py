"""English to French by a GRU with or without attention, or by a transformer (study S-NMT)."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from coursework.data.corpora import check_lengths, load_corpus, payload
from coursework.data.subwords import Subwords, in_pieces, learn_subwords
from coursework.data.text import PairSet, Vocabulary, bucketed_batches, is_word, padded, trimmed
from coursework.errors import ConfigError
from coursework.experiments.nmt_scores import CURVE_PAIRS, Curve, Setting, forced_and_free, scores
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.stored import VocabularyMark
from coursework.models.transformer import TransformerTranslator
from coursework.objectives import Terms
from coursework.objectives.words import word_loss
from coursework.training.device import resolve_device
from coursework.training.loop import Player
from coursework.training.schedules import warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task


@dataclass(frozen=True)
class Config:
    """Corpus, model, training and decoding.

    Attributes:
        dataset: sentence pairs by name.
        num_train: training pairs, 0 for all of a corpus that has an end.
        num_test: held-out pairs, 0 for all.
        holdout: the split they are from: `test`, or, to choose anything by, `validation`.
        num_merges: byte-pair merges of one vocabulary for both languages; 0 for whole words and two vocabularies.
        longest: most words (or pieces) of a sentence, in training and in what is written.
        model: `gru`, `gru-attention` or `transformer`.
        embed_dim: coordinates of a word, for the GRU; a transformer has `dim`.
        dim: coordinates of a state.
        num_layers: blocks on each side of the transformer.
        num_heads: heads of its attentions.
        hidden: coordinates inside its feed-forward nets.
        norm: where its LayerNorm stands.
        positions: whether the GRU's source words carry their position too.
        dropout: share of coordinates set to zero in training.
        teacher_forcing: share of the steps at which the GRU's decoder is told the right word before.
        end: whether the sentence's end counts in the loss.
        smoothing: share of the target's probability spread over all words.
        epochs: passes over the training pairs.
        batch_size: pairs a step.
        rate: largest step size of Adam, reached after a linear rise, then falling along a half cosine.
        warm_fraction: share of the steps that the rise takes.
        clip: largest norm of the gradient.
        beams: partial translations kept; 1 writes the likeliest word at every step.
        curve_every: steps between measurements on validation pairs, 0 for none.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
        precision: of the matrix products in training; bfloat16 needs a processor or GPU made for it.
        compiled: whether losses are compiled, which a long training repays.
    """

    dataset: Literal["pairs-generated", "multi30k", "tatoeba"] = "pairs-generated"
    num_train: Annotated[int, Interval(ge=0, le=1_000_000)] = 4000
    num_test: Annotated[int, Interval(ge=0, le=100_000)] = 400
    holdout: Literal["test", "validation"] = "test"
    num_merges: Annotated[int, Interval(ge=0, le=100_000)] = 0
    longest: Annotated[int, Interval(ge=2, le=1000)] = 40
    model: Literal["gru", "gru-attention", "transformer"] = "gru-attention"
    embed_dim: Annotated[int, Interval(ge=1, le=4096)] = 32
    dim: Annotated[int, Interval(ge=2, le=4096)] = 64
    num_layers: Annotated[int, Interval(ge=1, le=64)] = 2
    num_heads: Annotated[int, Interval(ge=1, le=64)] = 4
    hidden: Annotated[int, Interval(ge=1, le=16_384)] = 128
    norm: Literal["pre", "post"] = "pre"
    positions: bool = False
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    teacher_forcing: Annotated[float, Interval(ge=0, le=1)] = 1.0
    end: bool = True
    smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    epochs: Annotated[int, Interval(ge=1, le=10_000)] = 6
    batch_size: Annotated[int, Interval(ge=1, le=100_000)] = 50
    rate: Annotated[float, Interval(gt=0, le=1)] = 8e-3
    warm_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.03
    clip: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    beams: Annotated[int, Interval(ge=1, le=100)] = 1
    curve_every: Annotated[int, Interval(ge=0, le=1_000_000)] = 0
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 200, "num_test": 50, "epochs": 2},
        "cpu": {},
        "full": {"num_test": 1000},
    }


def corpus(config: Config) -> tuple[PairSet, PairSet, Vocabulary, Vocabulary, Subwords | None]:
    """Training and held-out pairs in words or pieces, both vocabularies, and the merges behind pieces.

    Raises:
        ConfigError: more pairs than there are.
        DataError: the corpus is absent or damaged, or one of its sentences is too long.
    """
    train = load_corpus(config.dataset, "train", n=config.num_train or None)
    held_out = load_corpus(config.dataset, config.holdout, n=config.num_test or None)
    if not config.num_merges:
        check_lengths(train, config.longest - 1)
        check_lengths(held_out, config.longest - 1)
        return train, held_out, Vocabulary.of(train.sources), Vocabulary.of(train.targets), None
    counts = Counter(word for sentence in (*train.sources, *train.targets) for word in sentence)
    subwords = learn_subwords(counts, config.num_merges)
    train, held_out = (in_pieces(part, subwords) for part in (train, held_out))
    check_lengths(train, config.longest - 1)
    check_lengths(held_out, config.longest - 1)
    shared = Vocabulary.of([*train.sources, *train.targets])
    return train, held_out, shared, shared, subwords


def translator(config: Config, num_source: int, num_target: int) -> RecurrentTranslator | TransformerTranslator:
    """The model that the config names, untrained.

    Raises:
        ConfigError: teacher forcing of less than one for a transformer, which sees all words before at once; a
            transformer of a width that its heads do not share out, or an odd one.
    """
    if config.model != "transformer":
        return RecurrentTranslator(
            num_source,
            num_target,
            config.embed_dim,
            config.dim,
            attention=config.model == "gru-attention",
            places=config.longest if config.positions else 0,
            dropout=config.dropout,
        )
    if config.teacher_forcing < 1:
        raise ConfigError(
            f"parameter teacher_forcing = {config.teacher_forcing}: a transformer is told all words before at once. "
            "Choose 1, or a GRU."
        )
    if config.dim % config.num_heads or config.dim % 2:
        raise ConfigError(
            f"parameters dim = {config.dim}, num_heads = {config.num_heads}: the heads must share out dim evenly, and "
            "dim must be even."
        )
    return TransformerTranslator(
        num_source,
        num_target,
        config.dim,
        config.num_layers,
        config.num_heads,
        config.hidden,
        config.norm,
        max_length=config.longest,
        dropout=config.dropout,
        shared=bool(config.num_merges),
    )


def build(config: Config) -> Task:
    """The translator, its Adam, and its scores on held-out pairs.

    Raises:
        ConfigError: more pairs than there are, or a model that cannot be.
        DataError, DeviceError: the corpus or the device is absent.
    """
    device = resolve_device(config.device)
    train, held_out, english, french, subwords = corpus(config)
    source, target = (padded(v.encode(s)).to(device) for v, s in ((english, train.sources), (french, train.targets)))
    model = translator(config, len(english), len(french)).to(device)
    reading, writing = (is_word(numbers).sum(1).cpu() for numbers in (source, target))
    num_steps = config.epochs * math.ceil(len(train) / config.batch_size)
    setting = Setting(config.dataset, config.holdout, config.num_merges > 0, config.longest, config.beams)
    curve = Curve(num_steps // config.curve_every + 1 if config.curve_every else 0)
    watched: list[Tensor] = []
    if config.curve_every:
        part = load_corpus(config.dataset, "validation", n=CURVE_PAIRS)
        part = in_pieces(part, subwords) if subwords is not None else part
        watched = [padded(english.encode(part.sources)).to(device), padded(french.encode(part.targets)).to(device)]

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        read, words = trimmed(source[index]), trimmed(target[index])
        if isinstance(model, TransformerTranslator):
            logits = model(read, words)
        else:
            share = config.teacher_forcing
            forced = None if share == 1 else torch.rand(words.shape, device=device) < share
            logits = model(read, words, forced)[0]
        mean, per_sentence = word_loss(logits, words, end=config.end, smoothing=config.smoothing)
        return mean, {"nll": per_sentence}

    optimizer = torch.optim.Adam(model.parameters(), lr=config.rate, betas=(0.9, 0.98), fused=True)

    def clip(*_: object) -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)

    optimizer.register_step_pre_hook(clip)

    def measure(step: int) -> None:
        if config.curve_every and step % config.curve_every == 0:
            curve.add(step, forced_and_free(model, *watched))

    def evaluate() -> tuple[Metrics, Arrays]:
        model.eval()
        return scores(model, held_out, english, french, setting, curve)

    return Task(
        modules={"translator": model, "vocabulary": VocabularyMark(english, french), "curve": curve},
        players={
            "translator": Player(
                loss,
                [optimizer],
                schedules=[lambda step: warm_half_cosine(step, num_steps, config.warm_fraction)],
                before_step=measure,
            )
        },
        batches=bucketed_batches(writing * (config.longest + 1) + reading, config.batch_size, config.seed, pool=100),
        num_steps=num_steps,
        evaluate=evaluate,
        payload=payload(config.dataset),
    )
