"""Multi-head attention: one path through torch's fused kernel, and one that shows its weights."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Mask = Bool[Tensor, "#batch #query key"]
"""True where a query may look at a key."""


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V in each head on its own, heads laid side by side and mixed once more.

    The two paths `forward` and `with_weights` compute the same output; the first never holds the weights.

    Args:
        dim: coordinates of a row, in and out.
        num_heads: heads, of dim / num_heads coordinates each.

    Raises:
        ValueError: the heads do not share out the coordinates evenly.

    Reference: Vaswani et al., arXiv:1706.03762, section 3.2.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"dim = {dim}, num_heads = {num_heads}: the heads must share out dim evenly.")
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self, x: Float[Tensor, "batch query dim"], memory: Float[Tensor, "batch key dim"], mask: Mask | None = None
    ) -> Float[Tensor, "batch query dim"]:
        """A mixture of the memory's rows for every row of x."""
        query, key, value = self._heads(x, memory)
        seen = None if mask is None else mask[:, None]
        return self._join(scaled_dot_product_attention(query, key, value, attn_mask=seen))

    def with_weights(
        self, x: Float[Tensor, "batch query dim"], memory: Float[Tensor, "batch key dim"], mask: Mask | None = None
    ) -> tuple[Float[Tensor, "batch query dim"], Float[Tensor, "batch head query key"]]:
        """What `forward` returns, and the weights: a softmax over the keys for each query of each head."""
        query, key, value = self._heads(x, memory)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        weights = scores.softmax(-1)
        return self._join(weights @ value), weights

    def _heads(
        self, x: Float[Tensor, "batch query dim"], memory: Float[Tensor, "batch key dim"]
    ) -> tuple[
        Float[Tensor, "batch head query d"], Float[Tensor, "batch head key d"], Float[Tensor, "batch head key d"]
    ]:
        parts = (self.query(x), self.key(memory), self.value(memory))
        query, key, value = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in parts)
        return query, key, value

    def _join(self, heads: Float[Tensor, "batch head query d"]) -> Float[Tensor, "batch query dim"]:
        return self.out(heads.transpose(1, 2).flatten(-2))


def causal_mask(steps: int, device: torch.device | None = None) -> Bool[Tensor, "1 step step"]:
    """Every step may look at itself and at the steps before it.

    >>> causal_mask(3).int()[0].tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    return torch.ones(1, steps, steps, dtype=torch.bool, device=device).tril()


def sinusoids(steps: int, dim: int) -> Float[Tensor, "step dim"]:
    """Position t as cos and sin of t ω_k, ω_k falling in equal ratios from 1 to nearly 1 / 10,000.

    Raises:
        ValueError: dim is odd.

    Reference: Vaswani et al., arXiv:1706.03762, section 3.5; the sines come first here, then the cosines.
    """
    if dim % 2:
        raise ValueError(f"dim = {dim}: sines and cosines need an even number of coordinates.")
    frequency = torch.exp(-math.log(10_000) * torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angle = torch.arange(steps, dtype=torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], -1).float()
