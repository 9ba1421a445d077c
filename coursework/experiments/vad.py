"""The variational auto-decoder: one free posterior per training image, trained by the evidence lower bound."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval

from coursework.distributions.families import FAMILIES
from coursework.experiments import ad
from coursework.training.task import Task


@dataclass(frozen=True)
class Config(ad.Config):
    """As the auto-decoder's, and what is variational about it.

    Attributes:
        family: law of every image's posterior.
        beta: weight of the divergence from the prior.
        scale: the decoder's standard deviation per pixel, images on 0…1.
    """

    family: Literal[
        "normal", "laplace", "logistic", "gumbel", "student", "uniform", "kumaraswamy", "von-mises-fisher"
    ] = "normal"
    beta: Annotated[float, Interval(ge=0, le=1000)] = 1.0
    scale: Annotated[float, Interval(gt=0, le=100)] = 0.05

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = ad.Config.PROFILES


def build(config: Config) -> Task:
    """The variational auto-decoder, ready to train.

    Raises:
        ConfigError, DataError, DeviceError: as the auto-decoder's.
    """
    return ad.autodecoder_task(config, FAMILIES[config.family], beta=config.beta, scale=config.scale)
