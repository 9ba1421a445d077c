"""Auto-decoders: a free posterior per example and a decoder, optimised together. No encoder anywhere."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.objectives import Terms
from coursework.objectives.elbo import elbo
from coursework.training.loop import Player
from coursework.training.optim import RowAdam


def autodecoder_player(
    table: LatentTable,
    decoder: GaussianDecoder,
    prior: Distribution,
    images: UInt8[Tensor, "image height width"],
    *,
    beta: float,
    rate: float,
    latent_rate: float,
    betas: tuple[float, float],
    mode: Literal["dense", "rows"],
    schedules: tuple[Callable[[int], float], Callable[[int], float]],
    before_step: Callable[[int], None] | None = None,
) -> Player:
    """The one player of an auto-decoder: it moves the decoder and the batch's rows of the table.

    With a table of point masses and β = 0 this is the auto-decoder, with a table of another family and β > 0 the
    variational one. Batches are row numbers of `images` and of the table alike.

    Args:
        table: one posterior per image.
        decoder: latents → law of images on 0…1.
        prior: p(z) in the divergence.
        images: 0…255, on the decoder's device.
        beta: weight of the divergence.
        rate: largest step size of the decoder's Adam.
        latent_rate: largest step size of the table's `RowAdam`.
        betas: decay of both optimisers' moments.
        mode: of `RowAdam`.
        schedules: step → factor on the decoder's rate, and on the latents'.
        before_step: as `Player`'s.

    Reference: Bojanowski et al., arXiv:1707.05776 (the point case); Zadeh et al., arXiv:1903.00840 (variational).
    """
    latents = RowAdam(table.raw, lr=latent_rate, betas=betas, mode=mode)

    def loss(index: Int[Tensor, " batch"]) -> tuple[Float[Tensor, ""], Terms]:
        posterior = table.family(latents.gather(index))
        return elbo(posterior, decoder, prior, images[index] / 255, beta=beta)

    optimizer = torch.optim.Adam(decoder.parameters(), lr=rate, betas=betas, fused=True)
    return Player(loss, [optimizer, latents], schedules=schedules, before_step=before_step)
