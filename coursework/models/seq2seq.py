"""Translation with a GRU encoder, a GRU decoder and additive attention between them (arXiv:1409.0473)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from coursework.data.text import BOS, EOS, PAD, is_word


class AdditiveAttention(nn.Module):
    """Weights over source words, softmax_i(v · tanh(W query + U state_i)), and the states' average under them.

    Words where the mask is False get a weight of exactly zero.
    """

    def __init__(self, query_dim: int, state_dim: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.key = nn.Linear(state_dim, dim)
        self.score = nn.Linear(dim, 1, bias=False)

    def forward(
        self,
        query: Float[Tensor, "batch query"],
        states: Float[Tensor, "batch source state"],
        keys: Float[Tensor, "batch source dim"],
        mask: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch state"], Float[Tensor, "batch source"]]:
        """The context and the weights; `keys` is `self.key(states)`, computed once for all steps."""
        scores = self.score(torch.tanh(self.query(query)[:, None] + keys))[..., 0]
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        return torch.einsum("bi,bid->bd", weights, states), weights


class Translator(nn.Module):
    """A bidirectional GRU reads the source; a GRU writes the target, looking back at every step.

    At step t the decoder's state asks for a context, reads it together with the word before, and the new state, the
    context and the word before give the logits of the next word.

    Args:
        num_source: words of the source language.
        num_target: words of the target language.
        embed_dim: coordinates of a word.
        dim: coordinates of a state, in each direction of the encoder.
    """

    def __init__(self, num_source: int, num_target: int, embed_dim: int, dim: int) -> None:
        super().__init__()
        self.source = nn.Embedding(num_source, embed_dim, padding_idx=PAD)
        self.target = nn.Embedding(num_target, embed_dim, padding_idx=PAD)
        self.encoder = nn.GRU(embed_dim, dim, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(dim, dim)
        self.attention = AdditiveAttention(dim, 2 * dim, dim)
        self.cell = nn.GRUCell(embed_dim + 2 * dim, dim)
        self.readout = nn.Linear(dim + 2 * dim + embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, num_target)

    def encode(
        self, source: Int[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch source state"], Float[Tensor, "batch dim"]]:
        """States of all source words, zero at the filling, and the decoder's first state."""
        lengths = is_word(source).sum(1).cpu()
        packed = pack_padded_sequence(self.source(source), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])[0]
        return states, torch.tanh(self.bridge(last[1]))

    def forward(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
    ) -> tuple[Float[Tensor, "batch step vocab"], Float[Tensor, "batch step source"]]:
        """Logits of every target word given those before it, and the attention map: a row of weights per step."""
        states, state = self.encode(source)
        keys, mask = self.attention.key(states), is_word(source)
        before = self.target(torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1))
        outputs, rows = [], []
        for word in before.unbind(1):
            state, context, weights = self._step(state, word, states, keys, mask)
            outputs.append(torch.cat([state, context, word], -1))
            rows.append(weights)
        return self._logits(torch.stack(outputs, 1)), torch.stack(rows, 1)

    @torch.no_grad()
    def greedy(
        self, source: Int[Tensor, "batch source"], max_length: int
    ) -> tuple[Int[Tensor, "batch step"], Float[Tensor, "batch step source"]]:
        """The likeliest word at every step until all sentences have ended, `PAD` after an `EOS`; and the map.

        Sentences that do not end are cut after `max_length` words.
        """
        states, state = self.encode(source)
        keys, mask = self.attention.key(states), is_word(source)
        number = torch.full_like(source[:, 0], BOS)
        ended = torch.zeros_like(number, dtype=torch.bool)
        numbers, rows = [], []
        for _ in range(max_length):
            word = self.target(number)
            state, context, weights = self._step(state, word, states, keys, mask)
            number = self._logits(torch.cat([state, context, word], -1)).argmax(-1).masked_fill(ended, PAD)
            ended = ended | (number == EOS)
            numbers.append(number)
            rows.append(weights)
            if ended.all():
                break
        return torch.stack(numbers, 1), torch.stack(rows, 1)

    def _step(
        self,
        state: Float[Tensor, "batch dim"],
        word: Float[Tensor, "batch embed"],
        states: Float[Tensor, "batch source state"],
        keys: Float[Tensor, "batch source dim"],
        mask: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch state"], Float[Tensor, "batch source"]]:
        context, weights = self.attention(state, states, keys, mask)
        return self.cell(torch.cat([word, context], -1), state), context, weights

    def _logits(self, features: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch vocab"]:
        return self.out(torch.tanh(self.readout(features)))


def sentence_nll(
    logits: Float[Tensor, "batch step vocab"], target: Int[Tensor, "batch step"]
) -> Float[Tensor, " batch"]:
    """−log p(target) of every sentence: summed over its words, `EOS` among them, `PAD` not."""
    return cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD, reduction="none").sum(1)
