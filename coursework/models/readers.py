"""Classifiers of token sequences: a GRU or self-attention in the middle, with or without position embeddings."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Positions = Literal["none", "add", "concatenate"]
Body = Literal["gru", "attention"]


class PositionedEmbedding(nn.Module):
    """Token embeddings, alone, plus an embedding of the position, or with one behind them.

    Args:
        num_tokens: size of the vocabulary.
        dim: coordinates of a token's embedding.
        positions: `none`, `add`, or `concatenate`.
        max_length: positions with an embedding of their own.
    """

    def __init__(self, num_tokens: int, dim: int, positions: Positions, max_length: int) -> None:
        super().__init__()
        self.positions = positions
        self.out_dim = 2 * dim if positions == "concatenate" else dim
        self.token = nn.Embedding(num_tokens, dim)
        self.place = None if positions == "none" else nn.Embedding(max_length, dim)

    def forward(self, tokens: Int[Tensor, "batch step"]) -> Float[Tensor, "batch step feature"]:
        """Embeddings of the tokens at their places."""
        x = self.token(tokens)
        if self.place is None:
            return x
        place = self.place.weight[: tokens.shape[1]].expand(len(tokens), -1, -1)
        return x + place if self.positions == "add" else torch.cat([x, place], -1)


class SelfAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V with Q, K and V linear in the input, added to it, and an MLP added to that.

    Nothing in it knows at which place a row stands: rows permuted in, the same rows permuted out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, 3 * dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Float[Tensor, "batch step feature"]) -> Float[Tensor, "batch step feature"]:
        """A row for every row."""
        query, key, value = self.project(x).chunk(3, -1)
        x = x + scaled_dot_product_attention(query, key, value)
        return x + self.mlp(x)


class Reader(nn.Module):
    """Reads a sequence and returns one logit: a GRU's last state, or the mean over the rows of self-attention.

    Args:
        body: `gru` or `attention`.
        positions: `none`, `add`, or `concatenate`.
        num_tokens: size of the vocabulary.
        dim: coordinates of an embedding, and of the GRU's state.
        max_length: positions with an embedding of their own.
    """

    def __init__(self, body: Body, positions: Positions, num_tokens: int, dim: int, max_length: int) -> None:
        super().__init__()
        self.embedding = PositionedEmbedding(num_tokens, dim, positions, max_length)
        width = self.embedding.out_dim
        self.gru = nn.GRU(width, dim, batch_first=True) if body == "gru" else None
        self.attention = nn.Sequential(SelfAttention(width), SelfAttention(width)) if body == "attention" else None
        self.head = nn.Linear(dim if body == "gru" else width, 1)

    def forward(self, tokens: Int[Tensor, "batch step"]) -> Float[Tensor, " batch"]:
        """Logits."""
        x = self.embedding(tokens)
        if self.gru is not None:
            summary = self.gru(x)[1][0]
        else:
            assert self.attention is not None
            summary = self.attention(x).mean(1)
        return self.head(summary)[:, 0]
