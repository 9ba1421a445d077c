"""Bounds and evidence of held-out images under a trained model: how many nats, at how much error."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.errors import ConfigError
from coursework.experiments import ad, vad, vae
from coursework.experiments.trained import trained_decoder
from coursework.experiments.vae import trained_encoder
from coursework.inference import infer_latents
from coursework.metrics.likelihood import evidence
from coursework.metrics.proposals import gauss_newton_proposal
from coursework.metrics.reconstruction import mse_from_log_likelihood
from coursework.models.vae import encoder_table
from coursework.restarts import points, settled_fit
from coursework.runs import run
from coursework.training.task import Arrays, Metrics, Task

_MODE_RATE = 0.05
"""First step size of the search for the mode, which starts at the posterior's location."""


@dataclass(frozen=True)
class Config(vad.Config):
    """As the variational auto-decoder's, and what is measured on the model that they describe.

    Attributes:
        model: `vad`, with posteriors fitted to the images; `vae`, with the encoder's; `vae-refined`, with those fitted
            further; `ad`, the auto-decoder taken for a generative model with prior N(0, I) and this scale, with
            posteriors fitted as the `vad`'s.
        num_images: held-out images, the first ones.
        num_draws: importance samples per image.
    """

    model: Literal["ad", "vad", "vae", "vae-refined"] = "vad"
    num_images: Annotated[int, Interval(ge=2, le=10_000)] = 200
    num_draws: Annotated[int, Interval(ge=2, le=1_000_000)] = 1000

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {**vad.Config.PROFILES["fast"], "num_images": 50, "num_draws": 100},
        "cpu": {**vad.Config.PROFILES["cpu"], "num_images": 100, "num_draws": 500},
        "full": {},
    }


def build(config: Config) -> Task:
    """Nothing to train: the model's own run is found or made, then its posteriors are measured.

    Metrics, means over images, in nats: `elbo`, `kl` and `log_likelihood` from draws of the model's posteriors;
    `log_evidence` from draws of the Gauss–Newton proposal at the mode, with its Monte Carlo `standard_error`, and
    `image_error`, the standard error that the choice of images brings; `own_evidence`, from the posteriors' draws;
    `effective_draws` and `own_effective_draws`, medians; `distortion`, the expected squared error per pixel under the
    posterior.

    Raises:
        ConfigError: more images than are held out, or a family whose prior is not N(0, I).
        DataError, DeviceError: as the model's.
    """
    if config.num_images > config.num_test:
        raise ConfigError(f"num_images = {config.num_images}: only num_test = {config.num_test} are held out.")

    if config.family != "normal":
        raise ConfigError(
            f"family = {config.family!r}: the proposal is made for the prior N(0, I). Give family = 'normal'."
        )

    def evaluate() -> tuple[Metrics, Arrays]:
        _, held_out, _ = ad.images_of(config)
        x = held_out[: config.num_images] / 255
        decoder, table, searched = fitted(config, x)
        prior = table.family.prior(config.latent_dim)
        own = evidence(table.family(table.raw), decoder, prior, x, config.num_draws)
        modes = infer_latents(
            decoder,
            x,
            FAMILIES["delta"],
            config.latent_dim,
            beta=1.0,
            num_steps=config.test_steps,
            lr=_MODE_RATE,
            start=points(searched),
        )
        found = evidence(gauss_newton_proposal(decoder, modes.locations()), decoder, prior, x, config.num_draws)
        log_likelihood = own.log_likelihood.mean().item()
        metrics = {
            "elbo": own.elbo.mean().item(),
            "kl": own.kl.mean().item(),
            "log_likelihood": log_likelihood,
            "distortion": mse_from_log_likelihood(log_likelihood, config.scale, x[0].numel()),
            "own_evidence": own.log_evidence.mean().item(),
            "own_effective_draws": own.effective_draws.median().item(),
            "log_evidence": found.log_evidence.mean().item(),
            "standard_error": found.standard_error.square().mean().div(len(x)).sqrt().item(),
            "image_error": found.log_evidence.std().item() / math.sqrt(len(x)),
            "effective_draws": found.effective_draws.median().item(),
        }
        return metrics, {"elbo": own.elbo.float(), "log_evidence": found.log_evidence.float()}

    return Task(modules={}, players={}, batches=lambda step: step, num_steps=0, evaluate=evaluate)


def fitted(config: Config, x: Float[Tensor, "image height width"]) -> tuple[GaussianDecoder, LatentTable, LatentTable]:
    """The trained decoder, the posteriors of images as the model gets them, and as a search finds them.

    The two differ for an encoder alone; the evidence, a matter of the decoder, always starts from the search.
    """
    family = FAMILIES[config.family]
    if config.model in ("ad", "vad"):
        cls = ad.Config if config.model == "ad" else vad.Config
        decoder = trained_decoder(run(vae.counterpart(config, cls)))
        decoder.scale = config.scale
        table = settled_fit(
            decoder,
            x,
            family,
            config.latent_dim,
            beta=config.beta,
            settle_steps=config.settle_steps,
            num_steps=config.test_steps,
            lr=config.test_rate,
            seed=config.seed,
            init_scale=config.init_scale,
        )
        return decoder, table, table
    finished = run(vae.counterpart(config, vae.Config))
    decoder = trained_decoder(finished)
    encoded = encoder_table(trained_encoder(finished), x, config.latent_dim)
    refined = infer_latents(
        decoder,
        x,
        family,
        config.latent_dim,
        beta=config.beta,
        num_steps=config.test_steps,
        lr=config.test_rate,
        start=encoded,
    )
    return decoder, encoded if config.model == "vae" else refined, refined
