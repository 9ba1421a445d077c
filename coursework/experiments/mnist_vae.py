"""Variational and importance-weighted auto-encoders of binarised digits: bounds, likelihood, pictures on the way."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor
from torch.distributions import kl_divergence

from coursework.conditionals import BernoulliDecoder, Encoder
from coursework.data.binarise import STATIC_SEED, TAKES, check_pixels, drawn, prepare
from coursework.data.images import train_and_held_out
from coursework.distributions.families import FAMILIES, standard_normal
from coursework.errors import ConfigError
from coursework.inference import sample_prior
from coursework.metrics.activity import active_fraction
from coursework.metrics.held_out import Bound, bound, held_out_nll
from coursework.models.continuous_bernoulli import ContinuousBernoulliDecoder
from coursework.models.progress import Progress, doubling
from coursework.nets.pixel_nets import pixel_nets, start_at_mean
from coursework.objectives import Terms
from coursework.objectives.elbo import elbo
from coursework.objectives.iwae import iwae
from coursework.objectives.resampled import resampled_iwae
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import rise, warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

_WARM_FRACTION = 0.02
_WATCHED = 2000
"""Held-out images of the curve over training."""

_SHOWN = 10


@dataclass(frozen=True)
class Config:
    """Which images, as which pixels; which model; which bound, for how long.

    Attributes:
        dataset: images by name.
        binarisation: `static`, drawn once with a fixed seed; `dynamic`, drawn anew at each use; `threshold`, cut at the
            middle; `grey`, grey values as if they were probabilities. For `dynamic` held-out images are the `static`
            ones, so that both are measured on the same.
        likelihood: `bernoulli`, or for grey pixels the density `continuous-bernoulli`.
        num_train: training images, the first ones.
        num_test: held-out images, the first ones.
        holdout: `test`, or `validation`: the rows of the training file after those that are trained on.
        architecture: `mlp` 784-512-256-z, rectified; `tanh` 784-500-z, its decoder tanh; `deep-tanh` 784-200-200-z;
            `cnn`, two strided convolutions.
        latent_dim: coordinates of a latent.
        terms: `both`, or one of the bound's two terms alone.
        num_samples: k of the importance-weighted bound that is trained; 1 is the evidence lower bound.
        num_kept: of the k draws, those that carry the gradient, chosen by their weights; 0 for all.
        plain_epochs: passes with k = 1 before the k draws set in.
        beta_warm_fraction: share of the steps with k = 1 over which the weight of the divergence rises from 0 to 1, so
            that coordinates come into use before their divergence costs anything (Sønderby et al., arXiv:1602.02282).
        epochs: passes over the training images in all.
        batch_size: images a step.
        rate: largest step size of Adam; it rises over the first fiftieth and falls to zero along a half cosine.
        num_draws: importance samples per image for the likelihood of held-out images.
        num_draw_images: held-out images that get so many; the others get fifty.
        seed: of the weights, the order and the draws.
        device: `auto`, `cpu` or `cuda`.
        precision: of the matrix products in training; bfloat16 needs a processor or GPU made for it.
        compiled: whether losses are compiled, which a long training repays.
    """

    dataset: Literal["mnist", "fashion-mnist", "mnist-5k", "digits"] = "mnist"
    binarisation: Literal["static", "dynamic", "threshold", "grey"] = "static"
    likelihood: Literal["bernoulli", "continuous-bernoulli"] = "bernoulli"
    num_train: Annotated[int, Interval(ge=10, le=60_000)] = 60_000
    num_test: Annotated[int, Interval(ge=2, le=10_000)] = 10_000
    holdout: Literal["test", "validation"] = "test"
    architecture: Literal["mlp", "tanh", "deep-tanh", "cnn"] = "mlp"
    latent_dim: Annotated[int, Interval(ge=1, le=1024)] = 20
    terms: Literal["both", "reconstruction", "regularisation"] = "both"
    num_samples: Annotated[int, Interval(ge=1, le=5000)] = 1
    num_kept: Annotated[int, Interval(ge=0, le=5000)] = 0
    plain_epochs: Annotated[int, Interval(ge=0, le=10_000)] = 0
    beta_warm_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.0
    epochs: Annotated[int, Interval(ge=1, le=10_000)] = 40
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 128
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    num_draws: Annotated[int, Interval(ge=2, le=5000)] = 500
    num_draw_images: Annotated[int, Interval(ge=2, le=10_000)] = 500
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "dataset": "mnist-5k",
            "num_train": 1000,
            "num_test": 200,
            "epochs": 4,
            "num_draws": 20,
            "num_draw_images": 20,
        },
        "cpu": {
            "dataset": "mnist-5k",
            "num_train": 4000,
            "num_test": 1000,
            "epochs": 10,
            "num_draws": 100,
            "num_draw_images": 100,
        },
        "full": {},
    }


def build(config: Config) -> Task:
    """The auto-encoder, ready to train.

    Metrics, in nats per image: `elbo`, `log_likelihood` and `kl` of held-out images, `train_elbo` of the first as many
    training images, `nll` by importance sampling with its `nll_error` (of the draws) and `nll_image_error` (of the
    choice of images), `effective_draws`; `active`, the share of latent coordinates in use. Arrays: `shown`, pictures of
    fixed latents at the epochs `shown_epochs`; `bounds`, held-out bound epoch by epoch; reconstructions, codes, and
    `log_evidence` of single images.

    Raises:
        ConfigError: a binarisation that the likelihood cannot take, more images than there are, more kept draws than
            draws.
        DataError, DeviceError: the images or the device are absent.
    """
    _check(config)
    device = resolve_device(config.device)
    originals, held_out, payload = train_and_held_out(config.dataset, config.num_train, config.num_test, config.holdout)
    images = prepare(originals, config.binarisation, seed=STATIC_SEED["train"]).to(device)
    x_test = held_out_pixels(held_out, config).to(device)
    check_pixels(x_test, config.likelihood)
    shape = (images.shape[1], images.shape[2])
    prior = FAMILIES["normal"].prior(config.latent_dim, device=device)
    nets = pixel_nets(config.architecture, config.latent_dim, shape)
    start_at_mean(nets.logits, originals)
    law = BernoulliDecoder if config.likelihood == "bernoulli" else ContinuousBernoulliDecoder
    decoder = law(nets.logits).to(device)
    encoder = Encoder(nets.features, nets.num_features, config.latent_dim, FAMILIES["normal"]).to(device)
    # An encoder that says the prior for every image leaves coordinates that never come into use.
    torch.nn.init.kaiming_uniform_(encoder.head.weight, a=math.sqrt(5))
    per_epoch = math.ceil(len(images) / config.batch_size)
    num_steps = config.epochs * per_epoch
    num_plain = num_steps if config.num_samples == 1 else config.plain_epochs * per_epoch
    schedule = partial(warm_half_cosine, num_steps=num_steps, warm_fraction=_WARM_FRACTION)
    state = {"step": 0}

    def measure(x: Tensor) -> Bound:
        return bound(encoder, decoder, prior, x)

    progress = Progress(
        decoder,
        sample_prior(standard_normal(config.latent_dim), _SHOWN, seed=config.seed).to(device),
        shape,
        doubling(config.epochs),
        config.epochs,
        lambda: measure(x_test[:_WATCHED]).elbo,
    ).to(device)

    def before_step(step: int) -> None:
        state["step"] = step
        if step % per_epoch == 0:
            progress.record(step // per_epoch)

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        x = drawn(images[index], config.binarisation)
        posterior = encoder(x)
        if config.terms == "regularisation":
            divergence = kl_divergence(posterior, prior)
            return divergence.mean(), {"kl": divergence}
        if state["step"] < num_plain:
            beta = rise(state["step"], num_plain, config.beta_warm_fraction)
            return elbo(posterior, decoder, prior, x, beta=0.0 if config.terms == "reconstruction" else beta)
        k = config.num_samples
        if config.num_kept:
            return resampled_iwae(posterior, decoder, prior, x, num_samples=k, num_kept=config.num_kept)
        return iwae(posterior, decoder, prior, x, num_samples=k)

    def evaluate() -> tuple[Metrics, Arrays]:
        watched = images[: len(x_test)]
        found, own = measure(x_test), measure(drawn(watched, config.binarisation))
        likelihood = held_out_nll(
            encoder, decoder, prior, x_test, config.num_draws, num_images=min(config.num_draw_images, len(x_test))
        )
        with torch.no_grad():
            codes = torch.cat([encoder(part).mean for part in x_test.split(1000)])
            reconstructed = decoder(codes[:_SHOWN]).mean
        metrics = {
            "elbo": found.elbo,
            "log_likelihood": found.log_likelihood,
            "kl": found.kl,
            "train_elbo": own.elbo,
            "nll": likelihood.nll,
            "nll_error": likelihood.standard_error,
            "nll_image_error": likelihood.image_error,
            "effective_draws": likelihood.effective_draws,
            "active": active_fraction(codes.cpu(), torch.ones(config.latent_dim)),
        }
        arrays = {
            "shown": progress.shown,
            "shown_epochs": torch.tensor(progress.epochs),
            "bounds": progress.bounds,
            "reconstructions": reconstructed,
            "originals": x_test[:_SHOWN],
            "codes": codes,
            "log_evidence": likelihood.per_image,
        }
        return metrics, arrays

    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=config.rate, fused=True)
    return Task(
        modules={"encoder": encoder, "decoder": decoder, "progress": progress},
        players={"vae": Player(loss, [adam], schedules=[schedule], before_step=before_step)},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        finish=lambda: progress.record(config.epochs),
        payload=payload,
    )


def held_out_pixels(images: Tensor, config: Config) -> Tensor:
    """Held-out images on 0…1 as the config's model is measured on them; for `dynamic` the `static` draw."""
    how = "static" if config.binarisation == "dynamic" else config.binarisation
    return drawn(prepare(images, how, seed=STATIC_SEED["test"]), how)


def _check(config: Config) -> None:
    if config.binarisation not in TAKES[config.likelihood]:
        raise ConfigError(
            f"binarisation = {config.binarisation!r}: the likelihood {config.likelihood!r} takes "
            f"{', '.join(TAKES[config.likelihood])}. Change one of the two."
        )
    if config.num_kept > config.num_samples:
        raise ConfigError(f"num_kept = {config.num_kept}: of num_samples = {config.num_samples} draws at most all.")
    if config.num_samples > 1 and config.terms != "both":
        raise ConfigError(f"terms = {config.terms!r}: one term alone is trained with num_samples = 1.")
    if config.beta_warm_fraction and (config.terms != "both" or (config.num_samples > 1 and not config.plain_epochs)):
        raise ConfigError(
            f"beta_warm_fraction = {config.beta_warm_fraction:g}: a weight rises in steps with both terms and one "
            f"draw; there are none with terms = {config.terms!r}, num_samples = {config.num_samples} and "
            f"plain_epochs = {config.plain_epochs}. Change one of them."
        )
