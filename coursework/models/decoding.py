"""Writing a translation word by word: the likeliest word at every step, or the best of several beams."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coursework.data.text import BOS, EOS, PAD

State = tuple[Tensor, ...]
"""What a model carries from step to step; every tensor has a row per sentence."""


@runtime_checkable
class Writer(Protocol):
    """A model that writes from left to right."""

    def begin(self, source: Int[Tensor, "batch source"]) -> State:
        """The state before the first word."""
        ...

    def advance(
        self, state: State, word: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch vocab"], State, Float[Tensor, "batch map source"]]:
        """Logits of the next word after `word`, the state after it, and the attention of this step, a row per head."""
        ...


@torch.no_grad()
def greedy(
    model: Writer, source: Int[Tensor, "batch source"], max_length: int
) -> tuple[Int[Tensor, "batch step"], Float[Tensor, "batch map step source"]]:
    """The likeliest word at every step until all sentences have ended, `PAD` after an `EOS`; and the maps.

    Sentences that do not end are cut after `max_length` words. `PAD` and `BOS` are never chosen as words.
    """
    state = model.begin(source)
    word = torch.full_like(source[:, 0], BOS)
    ended = torch.zeros_like(word, dtype=torch.bool)
    words, rows = [], []
    for _ in range(max_length):
        logits, state, weights = model.advance(state, word)
        logits[:, [PAD, BOS]] = -torch.inf
        word = logits.argmax(-1).masked_fill(ended, PAD)
        ended = ended | (word == EOS)
        words.append(word)
        rows.append(weights)
        if ended.all():
            break
    return torch.stack(words, 1), torch.stack(rows, 2)


@torch.no_grad()
def beam(
    model: Writer, source: Int[Tensor, "batch source"], max_length: int, width: int, length_penalty: float = 1.0
) -> Int[Tensor, "batch step"]:
    """The best of `width` partial translations kept at every step, `PAD` after its `EOS`.

    A translation's score is Σ log p(word) / length^`length_penalty`, its `EOS` counted in both. Those that have ended
    keep their place among the beams. With one beam this is `greedy`.

    Raises:
        ValueError: no beams.
    """
    if width < 1:
        raise ValueError(f"width = {width}: keep at least one beam.")
    count = len(source)
    state = tuple(part.repeat_interleave(width, 0) for part in model.begin(source))
    written = torch.empty(count, width, 0, dtype=torch.long, device=source.device)
    word = torch.full((count * width,), BOS, device=source.device)
    score = torch.full((count, width), -torch.inf, device=source.device)
    score[:, 0] = 0.0
    ended = torch.zeros(count, width, dtype=torch.bool, device=source.device)
    offset = width * torch.arange(count, device=source.device)[:, None]
    for _ in range(max_length):
        logits, state, _ = model.advance(state, word)
        gains = logits.log_softmax(-1).unflatten(0, (count, width))
        gains = gains.masked_fill(ended[..., None], -torch.inf)
        gains[..., [PAD, BOS]] = -torch.inf
        gains[..., PAD] = gains[..., PAD].masked_fill(ended, 0.0)
        score, chosen = (score[..., None] + gains).flatten(1).topk(width)
        origin, number = chosen // gains.shape[-1], chosen % gains.shape[-1]
        rows = (offset + origin).flatten()
        state = tuple(part[rows] for part in state)
        written = torch.cat([written.flatten(0, 1)[rows].unflatten(0, (count, width)), number[..., None]], -1)
        ended = ended.flatten()[rows].view(count, width) | (number == EOS)
        word = number.flatten()
        if ended.all():
            break
    lengths = (written != PAD).sum(-1).clamp(min=1)
    best = (score / lengths**length_penalty).argmax(1)
    return written[torch.arange(count, device=source.device), best]
