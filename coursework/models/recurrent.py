"""Translation with a GRU encoder and decoder, with additive attention between them or one summary instead."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from coursework.data.text import BOS, PAD, is_word
from coursework.models.decoding import State
from coursework.models.seq2seq import AdditiveAttention

_PLACE_SCALE = 0.1
"""Spread of the embeddings of positions at the start, small beside that of the words, which is 1."""


class RecurrentTranslator(nn.Module):
    """A bidirectional GRU reads the source, a GRU writes the target.

    Before every word the decoder reads a context: with attention the encoder's states, averaged under weights that its
    own state asks for; without, at every step the same: the encoder's last state in each direction, which has to hold
    the whole sentence.

    Args:
        num_source: words of the source language.
        num_target: words of the target language.
        embed_dim: coordinates of a word.
        dim: coordinates of a state, in each direction of the encoder.
        attention: whether the decoder looks back.
        places: source positions with an embedding of their own, added to the word's; 0 for none.
        dropout: share of the coordinates of words and of the readout that training sets to zero.

    References: Cho et al., arXiv:1406.1078 (without attention); Bahdanau et al., arXiv:1409.0473 (with).
    """

    def __init__(
        self,
        num_source: int,
        num_target: int,
        embed_dim: int,
        dim: int,
        *,
        attention: bool = True,
        places: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.source = nn.Embedding(num_source, embed_dim, padding_idx=PAD)
        self.places = nn.Embedding(places, embed_dim) if places else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=_PLACE_SCALE)
        self.target = nn.Embedding(num_target, embed_dim, padding_idx=PAD)
        self.encoder = nn.GRU(embed_dim, dim, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(dim, dim)
        self.attention = AdditiveAttention(dim, 2 * dim, dim) if attention else None
        self.cell = nn.GRUCell(embed_dim + 2 * dim, dim)
        self.readout = nn.Linear(dim + 2 * dim + embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, num_target)
        self.dropout = nn.Dropout(dropout)

    def begin(self, source: Int[Tensor, "batch source"]) -> State:
        """The decoder's first state, what it can look at, its keys, and where there is something to see."""
        embedded = self.source(source)
        if self.places is not None:
            if source.shape[1] > self.places.num_embeddings:
                raise ValueError(
                    f"a sentence of {source.shape[1]} words needs more than {self.places.num_embeddings} places."
                )
            embedded = embedded + self.places.weight[: source.shape[1]]
        mask = is_word(source)
        packed = pack_padded_sequence(self.dropout(embedded), mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        first = torch.tanh(self.bridge(last[1]))
        if self.attention is None:
            summary = torch.cat([last[0], last[1]], -1)[:, None]
            return first, summary, summary, mask
        states = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])[0]
        return first, states, self.attention.key(states), mask

    def advance(
        self, state: State, word: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch vocab"], State, Float[Tensor, "batch map source"]]:
        """Logits of the next word, the state after it, and the attention: one row, or none without attention."""
        embedded = self.dropout(self.target(word))
        state, context, weights = self._step(state, embedded)
        return self._logits(torch.cat([state[0], context, embedded], -1)), state, weights

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        target: Int[Tensor, "batch step"],
        forced: Bool[Tensor, "batch step"] | None = None,
    ) -> tuple[Float[Tensor, "batch step vocab"], Float[Tensor, "batch map step source"]]:
        """Logits of every target word, and the attention maps.

        Args:
            source: words to read.
            target: words to write.
            forced: where the decoder is told the target's word before; elsewhere it reads the likeliest word that it
                wrote itself, through which no gradient flows. Without it, it is told everywhere.
        """
        state = self.begin(source)
        before = torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1)
        told = self.dropout(self.target(before)).unbind(1) if forced is None else ()
        features, rows = [], []
        outputs: list[Tensor] = []
        for step, word in enumerate(before.unbind(1)):
            if forced is None:
                embedded = told[step]
            else:
                if step:
                    word = torch.where(forced[:, step], word, outputs[-1].argmax(-1))
                embedded = self.dropout(self.target(word))
            state, context, weights = self._step(state, embedded)
            features.append(torch.cat([state[0], context, embedded], -1))
            rows.append(weights)
            if forced is not None:
                outputs.append(self._logits(features[-1]))
        logits = torch.stack(outputs, 1) if forced is not None else self._logits(torch.stack(features, 1))
        return logits, torch.stack(rows, 2)

    def _step(
        self, state: State, word: Float[Tensor, "batch embed"]
    ) -> tuple[State, Float[Tensor, "batch context"], Float[Tensor, "batch map source"]]:
        hidden, memory, keys, mask = state
        if self.attention is None:
            context, weights = memory[:, 0], memory.new_zeros(len(memory), 0, mask.shape[1])
        else:
            context, row = self.attention(hidden, memory, keys, mask)
            weights = row[:, None]
        return (self.cell(torch.cat([word, context], -1), hidden), memory, keys, mask), context, weights

    def _logits(self, features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch vocab"]:
        return self.out(self.dropout(torch.tanh(self.readout(features))))
