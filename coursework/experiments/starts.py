"""How far a test-time fit depends on its start: several of both kinds, the best per image, and a polish."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from coursework.distributions.families import FAMILIES
from coursework.errors import ConfigError
from coursework.experiments import ad, vad, vae
from coursework.experiments.trained import trained_decoder
from coursework.metrics.reconstruction import mse_from_log_likelihood
from coursework.restarts import best_of, polish, settled_fit
from coursework.runs import run
from coursework.training.task import Arrays, Metrics, Task

KINDS = {"settled": "against the linear map first", "random": "N(0, I) draw, no settling"}
"""Ways to start, and what they are."""


@dataclass(frozen=True)
class Config(vad.Config):
    """As the variational auto-decoder's; of it the auto-decoder with the same decoder and budget is fitted.

    Attributes:
        num_images: held-out images, the first ones.
        num_starts: of each kind.
    """

    num_images: Annotated[int, Interval(ge=1, le=10_000)] = 200
    num_starts: Annotated[int, Interval(ge=2, le=1000)] = 4

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {**vad.Config.PROFILES["fast"], "num_images": 30, "num_starts": 2},
        "cpu": {**vad.Config.PROFILES["cpu"], "num_images": 100, "num_starts": 3},
        "full": {},
    }


def build(config: Config) -> Task:
    """Nothing to train: the auto-decoder's own run is found or made, then held-out images are fitted again and again.

    Metrics, mean squared error per pixel on 0…1, for both `kind`s of start: `<kind>/one`, the mean over starts;
    `<kind>/spread`, an image's standard deviation over starts, mean over images; `<kind>/best`, the best start per
    image; `<kind>/polished`, that after L-BFGS.

    Raises:
        ConfigError: more images than are held out.
        DataError, DeviceError: as the model's.
    """
    if config.num_images > config.num_test:
        raise ConfigError(f"num_images = {config.num_images}: only num_test = {config.num_test} are held out.")

    def evaluate() -> tuple[Metrics, Arrays]:
        _, held_out, _ = ad.images_of(config)
        x = held_out[: config.num_images] / 255
        decoder = trained_decoder(run(vae.counterpart(config, ad.Config)))
        metrics: Metrics = {}
        for kind in KINDS:
            tables = [
                settled_fit(
                    decoder,
                    x,
                    FAMILIES["delta"],
                    config.latent_dim,
                    beta=0.0,
                    settle_steps=config.settle_steps if kind == "settled" else 0,
                    num_steps=config.test_steps,
                    lr=config.test_rate,
                    seed=1000 * config.seed + number,
                    init_scale=config.init_scale if kind == "settled" else 1.0,
                )
                for number in range(config.num_starts)
            ]
            found = best_of(tables, decoder, x, beta=0.0)
            sharp = best_of([polish(decoder, x, found.table)], decoder, x, beta=0.0)
            errors = _errors(found.losses, x)
            metrics |= {
                f"{kind}/one": errors.mean().item(),
                f"{kind}/spread": errors.std(0).mean().item(),
                f"{kind}/best": errors.min(0).values.mean().item(),
                f"{kind}/polished": _errors(sharp.losses, x).mean().item(),
            }
        return metrics, {}

    return Task(modules={}, players={}, batches=lambda step: step, num_steps=0, evaluate=evaluate)


def _errors(
    losses: Float[Tensor, "start image"], x: Float[Tensor, "image height width"]
) -> Float[Tensor, "start image"]:
    """Mean squared error per pixel behind minus a log-likelihood of scale 1."""
    pixels = x[0].numel()
    return (2 * losses.double() / pixels) + mse_from_log_likelihood(0.0, 1.0, pixels)
