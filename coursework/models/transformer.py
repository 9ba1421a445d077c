"""Translation with a transformer encoder and decoder, built from our own blocks."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from coursework.data.text import BOS, PAD, is_word
from coursework.models.decoding import State
from coursework.nets.attention import causal_mask
from coursework.nets.transformer import Norm, PositionedWords, Stack, TransformerBlock


class TransformerTranslator(nn.Module):
    """Blocks of self-attention read the source; causal blocks that also attend to what was read write the target.

    Filling is masked in every attention, so that adding some changes nothing.

    Args:
        num_source: words of the source language.
        num_target: words of the target language.
        dim: coordinates of a word.
        num_layers: blocks on each side.
        num_heads: heads of each attention.
        hidden: coordinates inside the feed-forward nets.
        norm: where LayerNorm stands.
        max_length: longest sentence, its end included.
        dropout: share of the coordinates that training sets to zero.
        shared: whether the two languages have one vocabulary, and with it one table of embeddings, for the output too.

    Raises:
        ValueError: one vocabulary of two sizes.

    Reference: Vaswani et al., arXiv:1706.03762.
    """

    def __init__(
        self,
        num_source: int,
        num_target: int,
        dim: int,
        num_layers: int,
        num_heads: int,
        hidden: int,
        norm: Norm = "pre",
        *,
        max_length: int = 128,
        dropout: float = 0.0,
        shared: bool = False,
    ) -> None:
        if shared and num_source != num_target:
            raise ValueError(f"num_source = {num_source}, num_target = {num_target}: one vocabulary has one size.")
        super().__init__()
        self.source = PositionedWords(num_source, dim, max_length, dropout, PAD)
        self.target = self.source if shared else PositionedWords(num_target, dim, max_length, dropout, PAD)
        self.encoder = Stack(num_layers, dim, num_heads, hidden, norm, dropout=dropout)
        self.decoder = Stack(num_layers, dim, num_heads, hidden, norm, cross=True, dropout=dropout)
        self.out = nn.Linear(dim, num_target)
        nn.init.zeros_(self.out.bias)
        if shared:
            self.out.weight = self.source.embedding.weight
        else:
            nn.init.xavier_uniform_(self.out.weight)

    def forward(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
    ) -> Float[Tensor, "batch step vocab"]:
        """Logits of every target word given those before it.

        Raises:
            ValueError: a sentence longer than `max_length`.
        """
        memory, seen = self._read(source)
        words, mask = self._written(target)
        return self.out(self.decoder(words, mask, memory, seen))

    def maps(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
    ) -> tuple[Float[Tensor, "batch step vocab"], Float[Tensor, "batch map step source"]]:
        """What `forward` returns, and the weights of the attentions to the source, heads of the first block first."""
        memory, seen = self._read(source)
        words, mask = self._written(target)
        rows, kept = self.decoder.with_weights(words, mask, memory, seen)
        return self.out(rows), torch.cat([weights[1] for weights in kept], 1)

    def begin(self, source: Int[Tensor, "batch source"]) -> State:
        """What was read, where it is a sentence, and the words written so far: none."""
        memory, seen = self._read(source)
        return memory, seen, source[:, :0]

    def advance(
        self, state: State, word: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch vocab"], State, Float[Tensor, "batch map source"]]:
        """Logits of the next word, the state after it, and the last step's weights, all heads of the first block first.

        All words so far are read anew at every step: sentences are short, and nothing else needs to be kept.
        """
        memory, seen, before = state
        words = torch.cat([before, word[:, None]], 1)
        mask = causal_mask(words.shape[1], words.device)
        x, weights = self.target(words), []
        for block in self.decoder.blocks:
            assert isinstance(block, TransformerBlock)
            x, pair = block.with_weights(x, mask, memory, seen)
            weights.append(pair[1][:, :, -1])
        return self.out(self.decoder.last(x[:, -1])), (memory, seen, words), torch.cat(weights, 1)

    def _read(
        self, source: Int[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch source dim"], Bool[Tensor, "batch 1 source"]]:
        seen = is_word(source)[:, None]
        return self.encoder(self.source(source), seen), seen

    def _written(
        self, target: Int[Tensor, "batch step"]
    ) -> tuple[Float[Tensor, "batch step dim"], Bool[Tensor, "batch step step"]]:
        before = torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1)
        return self.target(before), causal_mask(before.shape[1], before.device) & is_word(before)[:, None]
