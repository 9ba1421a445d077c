"""Test-time latents with more care: a settled start, the best of several starts, a second-order polish."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES, Family
from coursework.errors import NonFiniteError
from coursework.inference import infer_latents, settle
from coursework.objectives.elbo import elbo


class Restarts(NamedTuple):
    """Fits of the same images from several starts.

    Attributes:
        table: each image's best posterior.
        losses: minus the bound in nats, per start and image.
        locations: what each start found, (start, image, latent).
    """

    table: LatentTable
    losses: Float[Tensor, "start image"]
    locations: Float[Tensor, "start image latent"]

    @property
    def spread(self) -> Float[Tensor, " image"]:
        """Standard deviation of an image's losses over its starts."""
        return self.losses.std(0)


def settled_fit(
    decoder: GaussianDecoder,
    x: Float[Tensor, "image height width"],
    family: Family,
    latent_dim: int,
    *,
    beta: float,
    settle_steps: int,
    num_steps: int,
    lr: float,
    seed: int,
    init_scale: float = 0.01,
) -> LatentTable:
    """Posteriors of new images as the auto-decoders fit them: against the linear part first, then the whole decoder.

    Args:
        decoder: trained, around a `SkipDecoder`.
        x: images in the decoder's range.
        family: of the posteriors.
        latent_dim: coordinates of a latent.
        beta: weight of the divergence.
        settle_steps: steps of Adam against the linear part; 0 for none.
        num_steps: steps against the whole decoder.
        lr: their first step size.
        seed: of the random start.
        init_scale: spread of the random start.

    Raises:
        NonFiniteError: a latent is not finite.
        TypeError: `settle_steps` > 0 and the decoder's net is not a `SkipDecoder`.
    """
    generator = torch.Generator().manual_seed(seed)
    table = LatentTable(len(x), latent_dim, family, init_scale=init_scale, generator=generator).to(x.device)
    table = settle(decoder, x, table, beta=beta, num_steps=settle_steps)
    return infer_latents(decoder, x, family, latent_dim, beta=beta, num_steps=num_steps, lr=lr, start=table)


@torch.no_grad()
def image_losses(
    table: LatentTable,
    decoder: GaussianDecoder,
    x: Float[Tensor, "image *event"],
    *,
    beta: float,
    num_draws: int = 1,
) -> Float[Tensor, " image"]:
    """Minus the bound of every image, the mean over `num_draws` draws; a point mass needs one."""
    posterior, prior = table.family(table.raw), table.family.prior(table.raw.shape[-1])
    draws = [elbo(posterior, decoder, prior, x, beta=beta)[1]["elbo"] for _ in range(num_draws)]
    return -torch.stack(draws).mean(0)


def best_of(
    tables: Sequence[LatentTable],
    decoder: GaussianDecoder,
    x: Float[Tensor, "image *event"],
    *,
    beta: float,
    num_draws: int = 1,
) -> Restarts:
    """Each image's best fit among tables that were fitted from different starts.

    Args:
        tables: of one family, a row per image.
        decoder: that they were fitted to.
        x: images in the decoder's range.
        beta: weight of the divergence.
        num_draws: per image and start, to compare bounds by; more where posteriors are wide.

    Raises:
        ValueError: no table.
    """
    if not tables:
        raise ValueError("tables: give the fit of at least one start.")
    losses = torch.stack([image_losses(table, decoder, x, beta=beta, num_draws=num_draws) for table in tables])
    raw = torch.stack([table.raw.detach() for table in tables])  # (start, image, parameter, latent)
    best = LatentTable(len(x), raw.shape[-1], tables[0].family)
    best.load_state_dict({"raw": raw[losses.argmin(0), torch.arange(len(x))]})
    return Restarts(best, losses, torch.stack([table.locations() for table in tables]))


def points(table: LatentTable) -> LatentTable:
    """The posteriors' locations as point masses: what stands for them where nothing is drawn."""
    locations = table.locations()
    out = LatentTable(len(locations), locations.shape[1], FAMILIES["delta"])
    out.load_state_dict({"raw": locations[:, None]})
    return out


def polish(
    decoder: GaussianDecoder,
    x: Float[Tensor, "image *event"],
    table: LatentTable,
    *,
    beta: float = 0.0,
    num_steps: int = 50,
    batch_size: int = 250,
) -> LatentTable:
    """Point masses moved on by L-BFGS with a line search: the deterministic end of a fit, which Adam leaves blunt.

    A batch of images shares one curvature estimate. An image that would end worse keeps the point it came with. The
    decoder is not changed.

    Args:
        decoder: trained.
        x: images in the decoder's range.
        table: of point masses (`points` makes them of any posterior); left as it is.
        beta: weight of the penalty −log p(z).
        num_steps: iterations per batch.
        batch_size: images a batch.

    Raises:
        ValueError: the posteriors are no point masses; draws would make the loss jump under the line search.
        NonFiniteError: the loss at the start is not finite.

    Reference: Liu and Nocedal, Mathematical Programming 45, 1989.
    """
    if table.family.name != "delta":
        raise ValueError(f"family {table.family.name}: only point masses can be polished; take points(table).")
    prior = table.family.prior(table.raw.shape[-1])
    out = LatentTable(len(x), table.raw.shape[-1], table.family)
    decoder.eval()
    for rows in torch.arange(len(x)).split(batch_size):
        raw = table.raw.detach()[rows].clone().requires_grad_()
        optimizer = torch.optim.LBFGS([raw], max_iter=num_steps, history_size=20, line_search_fn="strong_wolfe")

        def total(raw: Tensor = raw, rows: Tensor = rows) -> Tensor:
            loss, _ = elbo(table.family(raw), decoder, prior, x[rows], beta=beta)
            (raw.grad,) = torch.autograd.grad(loss * len(rows), raw)
            return loss.detach() * len(rows)

        if not torch.isfinite(total()):
            raise NonFiniteError("polishing latents: the loss at the start is not finite. Fit the latents first.")
        optimizer.step(total)
        with torch.no_grad():
            out.raw[rows] = raw
    before, after = (image_losses(t, decoder, x, beta=beta) for t in (table, out))
    with torch.no_grad():
        out.raw.copy_(torch.where((after < before)[:, None, None], out.raw, table.raw))
    return out
