"""Transformer blocks with the norm before or after the residual sum, stacks of them, and a causal language model."""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from coursework.nets.attention import MultiHeadAttention, causal_mask, sinusoids

Norm = Literal["pre", "post"]

SelfMask = Bool[Tensor, "#batch #step step"]
MemoryMask = Bool[Tensor, "#batch #step source"]
"""True where a row may look: at rows of its own sequence, at rows of the memory."""


class FeedForward(nn.Module):
    """W₂ relu(W₁ x + b₁) + b₂, row by row.

    Args:
        dim: coordinates of a row, in and out.
        hidden: coordinates between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Float[Tensor, "batch step dim"]) -> Float[Tensor, "batch step dim"]:
        """A row for every row."""
        return self.outer(torch.relu(self.inner(x)))


class TransformerBlock(nn.Module):
    """Self-attention, attention to a memory if `cross`, and a feed-forward net, each around a residual sum.

    For each part F in turn:  `pre`  x ← x + F(LN(x));  `post`  x ← LN(x + F(x)).

    Args:
        dim: coordinates of a row.
        num_heads: heads of each attention.
        hidden: coordinates inside the feed-forward net.
        norm: where LayerNorm stands.
        cross: whether there is a second attention, to a memory.
        dropout: share of what each part adds that training sets to zero.

    Raises:
        ValueError: the heads do not share out the coordinates evenly.

    Reference: Xiong et al., arXiv:2002.04745, figure 1.
    """

    def __init__(
        self, dim: int, num_heads: int, hidden: int, norm: Norm = "pre", cross: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm: Norm = norm
        self.attention = MultiHeadAttention(dim, num_heads)
        self.attention_norm = nn.LayerNorm(dim)
        self.cross = MultiHeadAttention(dim, num_heads) if cross else None
        self.cross_norm = nn.LayerNorm(dim) if cross else None
        self.feed_forward = FeedForward(dim, hidden)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "batch step dim"],
        mask: SelfMask | None = None,
        memory: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: MemoryMask | None = None,
    ) -> Float[Tensor, "batch step dim"]:
        """A row for every row; the masks are True where a row may look."""
        return self._walk(x, mask, memory, memory_mask, None)

    def with_weights(
        self,
        x: Float[Tensor, "batch step dim"],
        mask: SelfMask | None = None,
        memory: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: MemoryMask | None = None,
    ) -> tuple[Float[Tensor, "batch step dim"], list[Float[Tensor, "batch head step key"]]]:
        """What `forward` returns, and the weights of the self-attention and, if there is one, of the other."""
        kept: list[Tensor] = []
        return self._walk(x, mask, memory, memory_mask, kept), kept

    def _walk(
        self, x: Tensor, mask: Tensor | None, memory: Tensor | None, memory_mask: Tensor | None, kept: list | None
    ) -> Tensor:
        before = self.attention_norm(x) if self.norm == "pre" else x
        x = self._add(x, _attend(self.attention, before, before, mask, kept), self.attention_norm)
        if self.cross is not None and self.cross_norm is not None:
            if memory is None:
                raise ValueError("memory is missing: this block attends to one.")
            before = self.cross_norm(x) if self.norm == "pre" else x
            x = self._add(x, _attend(self.cross, before, memory, memory_mask, kept), self.cross_norm)
        before = self.feed_forward_norm(x) if self.norm == "pre" else x
        return self._add(x, self.feed_forward(before), self.feed_forward_norm)

    def _add(self, x: Tensor, part: Tensor, norm: nn.LayerNorm) -> Tensor:
        total = x + self.dropout(part)
        return total if self.norm == "pre" else norm(total)


def _attend(attention: MultiHeadAttention, x: Tensor, memory: Tensor, mask: Tensor | None, kept: list | None) -> Tensor:
    if kept is None:
        return attention(x, memory, mask)
    out, weights = attention.with_weights(x, memory, mask)
    kept.append(weights)
    return out


class Stack(nn.Module):
    """Blocks one after another, and with `pre` a last LayerNorm, without which nothing would norm the residual sum.

    Args:
        num_layers: blocks.
        dim, num_heads, hidden, norm, cross, dropout: as of `TransformerBlock`.
    """

    def __init__(
        self,
        num_layers: int,
        dim: int,
        num_heads: int,
        hidden: int,
        norm: Norm = "pre",
        cross: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, num_heads, hidden, norm, cross, dropout) for _ in range(num_layers)
        )
        self.last = nn.LayerNorm(dim) if norm == "pre" else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch step dim"],
        mask: SelfMask | None = None,
        memory: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: MemoryMask | None = None,
    ) -> Float[Tensor, "batch step dim"]:
        """A row for every row."""
        for block in self.blocks:
            x = block(x, mask, memory, memory_mask)
        return self.last(x)

    def with_weights(
        self,
        x: Float[Tensor, "batch step dim"],
        mask: SelfMask | None = None,
        memory: Float[Tensor, "batch source dim"] | None = None,
        memory_mask: MemoryMask | None = None,
    ) -> tuple[Float[Tensor, "batch step dim"], list[list[Float[Tensor, "batch head step key"]]]]:
        """What `forward` returns, and each block's weights, as `TransformerBlock.with_weights` gives them."""
        kept = []
        for block in self.blocks:
            assert isinstance(block, TransformerBlock)
            x, weights = block.with_weights(x, mask, memory, memory_mask)
            kept.append(weights)
        return self.last(x), kept


class PositionedWords(nn.Module):
    """√dim times a word's embedding, plus the sinusoids of its place.

    Args:
        num_words: size of the vocabulary.
        dim: coordinates, an even number.
        max_length: places.
        dropout: share of the coordinates that training sets to zero.
        padding: number of the filling, whose embedding is zero and stays so.
    """

    places: Tensor

    def __init__(
        self, num_words: int, dim: int, max_length: int, dropout: float = 0.0, padding: int | None = None
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, dim, padding_idx=padding)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)
        if padding is not None:
            nn.init.zeros_(self.embedding.weight[padding])
        self.register_buffer("places", sinusoids(max_length, dim), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Int[Tensor, "batch step"]) -> Float[Tensor, "batch step dim"]:
        """A row for every word.

        Raises:
            ValueError: more words than places.
        """
        steps = words.shape[1]
        if steps > len(self.places):
            raise ValueError(f"a sequence of {steps} words is longer than max_length = {len(self.places)}.")
        x = math.sqrt(self.embedding.embedding_dim) * self.embedding(words) + self.places[:steps]
        return self.dropout(x)


class CausalLM(nn.Module):
    """A language model: the logits at a step depend on the words up to it alone.

    Args:
        num_words: size of the vocabulary.
        dim, num_layers, num_heads, hidden, norm, dropout: of its blocks.
        max_length: longest sequence.
    """

    def __init__(
        self,
        num_words: int,
        dim: int,
        num_layers: int,
        num_heads: int,
        hidden: int,
        norm: Norm = "pre",
        max_length: int = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = PositionedWords(num_words, dim, max_length, dropout)
        self.stack = Stack(num_layers, dim, num_heads, hidden, norm, dropout=dropout)
        self.head = nn.Linear(dim, num_words)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, words: Int[Tensor, "batch step"]) -> Float[Tensor, "batch step vocab"]:
        """Logits of the word after each step.

        Raises:
            ValueError: a sequence longer than `max_length`.
        """
        return self.head(self.stack(self.words(words), causal_mask(words.shape[1], words.device)))
