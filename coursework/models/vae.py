"""The variational auto-encoder: a posterior from one net for all images, where an auto-decoder keeps one per image."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.objectives import Terms
from coursework.objectives.elbo import elbo
from coursework.training.loop import Player

_RIDGE = 1e-4
"""Added to the pixels' covariance in the regression; pixels that never change have none of their own."""


def vae_player(
    encoder: Encoder,
    decoder: GaussianDecoder,
    prior: Distribution,
    images: UInt8[Tensor, "image height width"],
    *,
    beta: float,
    rate: float,
    encoder_rate: float,
    betas: tuple[float, float],
    schedule: Callable[[int], float],
    before_step: Callable[[int], None] | None = None,
) -> Player:
    """The one player of a variational auto-encoder: it moves the encoder and the decoder. Batches are row numbers.

    Args:
        encoder: images on 0…1 → posteriors.
        decoder: latents → law of images on 0…1.
        prior: p(z) in the divergence.
        images: 0…255, on the decoder's device.
        beta: weight of the divergence.
        rate: largest step size of the decoder's Adam.
        encoder_rate: largest step size of the encoder's Adam.
        betas: decay of Adam's moments.
        schedule: step → factor on both rates.
        before_step: as `Player`'s.

    Reference: Kingma and Welling, arXiv:1312.6114, section 3.
    """

    def loss(index: Int[Tensor, " batch"]) -> tuple[Float[Tensor, ""], Terms]:
        x = images[index] / 255
        return elbo(encoder(x), decoder, prior, x, beta=beta)

    groups = [{"params": part.parameters(), "lr": lr} for part, lr in ((decoder, rate), (encoder, encoder_rate))]
    optimizer = torch.optim.Adam(groups, betas=betas, fused=True)  # one for both: half the calls
    return Player(loss, [optimizer], schedules=[schedule], before_step=before_step)


@torch.no_grad()
def start_from_table(encoder: Encoder, images: Float[Tensor, "image height width"], table: LatentTable) -> None:
    """Set the part of the encoder's head that reads pixels to the regression of a table's raw parameters on them.

    With a table that was fitted to a linear decoder this puts the encoder at the projection on the decoder's columns,
    for principal components PCA's; whatever the family, since what is regressed are its raw parameters. The features
    that the net computes keep their small random weights.

    Args:
        encoder: its net's last features are the pixels, as `ConvEncoder`'s.
        images: on 0…1, one per row of the table.
        table: posteriors of these images.
    """
    pixels, raw = images.flatten(1), table.raw.detach().flatten(1)
    center, middle = pixels.mean(0), raw.mean(0)
    pixels = pixels - center
    covariance = pixels.T @ pixels / len(pixels)
    covariance.diagonal().add_(_RIDGE)
    weight = torch.linalg.solve(covariance, pixels.T @ (raw - middle) / len(pixels)).T  # (parameter·latent, pixel)
    encoder.head.weight[:, -pixels.shape[1] :] = weight
    encoder.head.bias.copy_(middle - weight @ center)


@torch.no_grad()
def encoder_table(
    encoder: Encoder, x: Float[Tensor, "image height width"], latent_dim: int, batch_size: int = 1000
) -> LatentTable:
    """The encoder's posteriors of images, as a table: where a fit by gradient steps can go on.

    Reference: Kim et al., arXiv:1802.02550 (refining an encoder's posterior is called semi-amortised there).
    """
    table = LatentTable(len(x), latent_dim, encoder.family).to(x.device)
    rows = [encoder.head(encoder.net(part)) for part in x.split(batch_size)]
    table.raw.copy_(torch.cat(rows).view_as(table.raw))
    return table
