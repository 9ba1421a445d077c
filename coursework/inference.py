"""After training: latents of new images with the decoder frozen, draws from the prior, paths between latents."""

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import Family
from coursework.errors import NonFiniteError
from coursework.nets.decoders import SkipDecoder
from coursework.objectives.elbo import elbo
from coursework.training.schedules import half_cosine


def infer_latents(
    decoder: GaussianDecoder,
    x: Float[Tensor, "image *event"],
    family: Family,
    latent_dim: int,
    *,
    beta: float,
    num_steps: int,
    lr: float,
    start: LatentTable | None = None,
    init_scale: float = 0.01,
    batch_size: int = 1000,
    generator: torch.Generator | None = None,
) -> LatentTable:
    """A fresh table of posteriors for images the decoder has not seen: the same objective, the decoder frozen.

    Adam moves every coordinate by its own gradient alone, so an image's latents do not depend on the images beside it;
    the batch size only bounds memory.

    Args:
        decoder: trained; its weights and buffers come back bit-identical.
        x: images in the decoder's range, on its device.
        family: of the posteriors.
        latent_dim: coordinates of a latent.
        beta: weight of the divergence from the family's prior.
        num_steps: steps of Adam, the rate falling to zero along a half cosine.
        lr: first step size.
        start: posteriors to start from; left as it is. None for a random start.
        init_scale: spread of the random start.
        batch_size: images fitted at a time.
        generator: source of the random start.

    Raises:
        NonFiniteError: a loss is not finite.

    Reference: Park et al., arXiv:1901.05103, section 4.3 (inference by optimisation).
    """
    prior = family.prior(latent_dim, device=x.device)
    table = LatentTable(len(x), latent_dim, family, init_scale=init_scale, generator=generator).to(x.device)
    if start is not None:
        table.load_state_dict(start.state_dict())
    with _frozen(decoder):
        for rows in torch.arange(len(x), device=x.device).split(batch_size):
            raw = table.raw.detach()[rows].requires_grad_()
            optimizer = torch.optim.Adam([raw], lr=lr, betas=(0.9, 0.9))
            for step in range(num_steps):
                optimizer.param_groups[0]["lr"] = lr * half_cosine(step, num_steps)
                optimizer.zero_grad()
                loss, _ = elbo(family(raw), decoder, prior, x[rows], beta=beta)
                (loss * len(rows)).backward()
                optimizer.step()
            if not torch.isfinite(raw).all():
                raise NonFiniteError(f"inferring latents at rate {lr:g}: a latent is not finite. Lower the rate.")
            with torch.no_grad():
                table.raw[rows] = raw.detach()
    return table


def settle(
    decoder: GaussianDecoder,
    x: Float[Tensor, "image height width"],
    start: LatentTable,
    *,
    beta: float,
    num_steps: int,
    lr: float = 0.3,
) -> LatentTable:
    """Posteriors fitted to the decoder's linear part alone: a start for the fit to the whole of it, at little cost.

    Args:
        decoder: around a `SkipDecoder`; not changed.
        x: images in the decoder's range, on its device.
        start: posteriors to start from; left as it is, and given back for no steps.
        beta: weight of the divergence from the family's prior.
        num_steps: steps of Adam.
        lr: first step size, in units of the prior's spread.

    Raises:
        NonFiniteError: a loss is not finite.
        TypeError: the decoder's net is not a `SkipDecoder`.
        ValueError: its linear part is absent.
    """
    if not num_steps:
        return start
    net = decoder.net
    if not isinstance(net, SkipDecoder):
        raise TypeError(f"the decoder's net is a {type(net).__name__}: give a SkipDecoder, whose linear part is known.")
    linear, targets = net.linear_problem(x)
    latent_dim = start.raw.shape[-1]
    shallow = GaussianDecoder(linear, decoder.scale)
    return infer_latents(shallow, targets, start.family, latent_dim, beta=beta, num_steps=num_steps, lr=lr, start=start)


@torch.no_grad()
def decode(
    decoder: GaussianDecoder, z: Float[Tensor, "image latent"], batch_size: int = 1000
) -> Float[Tensor, "image height width"]:
    """Means of p(x|z) for many latents, in batches."""
    return torch.cat([decoder(rows).mean for rows in z.split(batch_size)])


def sample_prior(prior: Distribution, num_samples: int, seed: int) -> Float[Tensor, "image latent"]:
    """Draws from the prior, the same for the same seed; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return prior.sample((num_samples,))


def interpolate(
    start: Float[Tensor, " latent"], end: Float[Tensor, " latent"], num_between: int = 5
) -> Float[Tensor, "point latent"]:
    """Both ends and `num_between` evenly spaced points on the straight line between them.

    >>> interpolate(torch.zeros(1), torch.ones(1), 3).flatten().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    weight = torch.linspace(0, 1, num_between + 2)[:, None]
    return (1 - weight) * start + weight * end


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode and without gradients inside, as it was outside."""
    training, wanted = module.training, [parameter.requires_grad for parameter in module.parameters()]
    module.eval().requires_grad_(False)
    try:
        yield
    finally:
        module.train(training)
        for parameter, grad in zip(module.parameters(), wanted, strict=True):
            parameter.requires_grad_(grad)
