"""The variational auto-decoder: one free posterior per training image, trained by the evidence lower bound."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.distributions.kl import kl
from coursework.experiments import ad
from coursework.inference import decode, infer_latents
from coursework.metrics.activity import active_fraction
from coursework.metrics.reconstruction import course_score
from coursework.training.task import Arrays, Metrics, Task

_PATIENCE = 2
"""Steps of the course's fit per step of ours: its rows start at random, ours settled against the linear part."""


@dataclass(frozen=True)
class Config(ad.Config):
    """As the auto-decoder's, and what is variational about it.

    Attributes:
        family: law of every image's posterior.
        beta: weight of the divergence from the prior.
        scale: the decoder's standard deviation per pixel, images on 0…1.
        latent_rate: largest step size of the posteriors' raw parameters, before the family's factor.
    """

    family: Literal[
        "normal", "laplace", "logistic", "gumbel", "student", "uniform", "kumaraswamy", "von-mises-fisher"
    ] = "normal"
    beta: Annotated[float, Interval(ge=0, le=1000)] = 1.0
    scale: Annotated[float, Interval(gt=0, le=100)] = 0.05
    channels: Annotated[int, Interval(ge=1, le=65_536)] = 32
    copies: Annotated[int, Interval(ge=0, le=1000)] = 15
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 20
    test_steps: Annotated[int, Interval(ge=1, le=100_000)] = 150
    # Not a field: what weighs the divergence is the normal law's scale.
    likelihood: ClassVar[str] = "normal"  # type: ignore[misc]

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 200, "num_test": 100, "copies": 1, "epochs": 6, "test_steps": 15, "channels": 16},
        "cpu": {"num_test": 500, "copies": 3, "epochs": 10, "test_steps": 80},
        "full": {},
    }

    RATE_FACTORS: ClassVar[dict[str, float]] = {"von-mises-fisher": 3.0}
    """Family → factor on `latent_rate`, 1 for those not named. A direction turns by a step divided by the length of its
    raw vector, which only ever grows."""

    @property
    def family_rate(self) -> float:
        """Largest step size of the posteriors' raw parameters, the family's factor included."""
        return self.latent_rate * self.RATE_FACTORS.get(self.family, 1.0)


def build(config: Config) -> Task:
    """The variational auto-decoder, ready to train.

    Held-out images are scored in two ways. `test_…`: posteriors fitted by the bound, their locations decoded.
    `test_score_course`: as the course's harness does it, which fits fresh posteriors by the reconstruction error of one
    draw a step, without a divergence, and scores one draw of each. `kl`, in nats per training image, and `active`, the
    share of coordinates in use, tell whether the latents have collapsed.

    Raises:
        ConfigError, DataError, DeviceError: as the auto-decoder's.
    """
    family = FAMILIES[config.family]
    own = dataclasses.replace(config, latent_rate=config.family_rate)
    task = ad.autodecoder_task(own, family, beta=config.beta, scale=config.scale)

    def evaluate() -> tuple[Metrics, Arrays]:
        metrics, arrays = task.evaluate()
        decoder, table = task.modules["decoder"], task.modules["table"]
        assert isinstance(decoder, GaussianDecoder)
        assert isinstance(table, LatentTable)
        metrics["test_score_course"] = _course_score(config, decoder)
        with torch.no_grad():
            posterior = family(table.raw[: config.num_train])
            prior = family.prior(config.latent_dim, device=table.raw.device)
            metrics["kl"] = kl(posterior, prior).mean().item()
        metrics["active"] = active_fraction(arrays["train_latents"], prior.stddev.cpu())
        return metrics, arrays

    return dataclasses.replace(task, evaluate=evaluate)


def _course_score(config: Config, decoder: GaussianDecoder) -> float:
    """The score of one draw of each posterior, fitted from a fresh row by the reconstruction of one draw a step."""
    family = FAMILIES[config.family]
    _, held_out, _ = ad.images_of(config)
    device = next(decoder.parameters()).device
    generator = torch.Generator().manual_seed(config.seed)
    rows = LatentTable(len(held_out), config.latent_dim, family, init_scale=config.init_scale, generator=generator)
    fitted = infer_latents(
        decoder,
        (held_out / 255).to(device),
        family,
        config.latent_dim,
        beta=0.0,
        num_steps=_PATIENCE * config.test_steps,
        lr=config.test_rate,
        start=rows.to(device),
    )
    with torch.no_grad():
        drawn = family(fitted.raw).rsample()
    return course_score(held_out, 255 * decode(decoder, drawn).cpu().clamp(0, 1))
