"""Losses in half precision: the matrix products in bfloat16, weights, sums and optimisers in float32."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from coursework.training.loop import Batch, Player


def in_bfloat16(player: Player, device: torch.device) -> Player:
    """The same player, its loss under autocast to bfloat16; for nets that end in `InFloat32`.

    Worth it where the processor or GPU multiplies bfloat16 matrices faster than float32 ones, which a CPU without
    AVX512_BF16 or AMX does not; check that the final metric stays within its noise.

    Reference: Micikevicius et al., arXiv:1710.03740 (with float16); bfloat16 needs no scaling of the loss.
    """

    def loss(batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        with torch.autocast(device.type, torch.bfloat16):
            return player.loss(batch)

    return dataclasses.replace(player, loss=loss)


class InFloat32(torch.nn.Module):
    """Whatever comes in, in float32: the last layer of a net, so that densities and divergences are computed in it."""

    def forward(self, features: Tensor) -> Tensor:
        """The same numbers."""
        return features.float()
