"""A variational auto-encoder trained for as many multiplications as an adversarial game, and images drawn from it."""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from coursework.distributions.families import standard_normal
from coursework.experiments import gan, mnist_vae
from coursework.experiments.registry import configure
from coursework.inference import sample_prior
from coursework.runs import Run

_NUM_PIXELS = 784


def game_multiplications(config: gan.Config) -> float:
    """Multiplications of one training step per image of its batch, those of the matrix products alone.

    A product with the weights takes as many multiplications as there are weights; a step takes one forwards, one for
    the weights' gradient and one for that of what came in, which data and latents do not need. The generator makes a
    fake for its judge, which looks at it and at an image of the data; the generator learns through the judge. A
    gradient penalty takes the critic forwards and back to the image, and differentiates both ways, two products for
    either of them, but for the last layer, which most of this does not reach.
    """
    generator, judge = (_weights(*sizes) for sizes in _sizes(config))
    (latents, first, *_), (pixels, width, *_) = _sizes(config)
    penalty = 6 * judge - 3 * config.judge_widths[-1] if config.game == "penalty" else 0
    judged = generator + 6 * judge - 2 * pixels * width + penalty
    return judged + (3 * generator - latents * first + 3 * judge) / config.every


def vae_multiplications(latent_dim: int = 20) -> int:
    """Multiplications per training image of the auto-encoder 784-512-256-z, forwards and backwards."""
    encoder, decoder = _weights(_NUM_PIXELS, 512, 256, 2 * latent_dim), _weights(latent_dim, 256, 512, _NUM_PIXELS)
    return 3 * (encoder + decoder) - _NUM_PIXELS * 512


def equal_vae(config: gan.Config, profile: str) -> Any:
    """The auto-encoder of S-VAE 8 on the same grey images, for the number of epochs that costs what the game costs.

    Grey values are taken for probabilities: no other binarisation lets it make the images that the games make.

    Args:
        config: of the game; its images are 28 × 28.
        profile: of the auto-encoder.
    """
    spent = config.num_steps * config.batch_size * game_multiplications(config)
    epochs = max(1, round(spent / (config.num_train * vae_multiplications())))
    return configure(
        "mnist-vae",
        profile,
        dataset=config.dataset,
        binarisation="grey",
        num_train=config.num_train,
        num_test=100,
        num_draws=2,
        num_draw_images=2,
        epochs=epochs,
        seed=config.seed,
    )


@torch.no_grad()
def vae_samples(run: Run, count: int, seed: int) -> UInt8[Tensor, "image height width"]:
    """Mean images of latents drawn from the prior of a finished auto-encoder."""
    assert isinstance(run.config, mnist_vae.Config)
    decoder = run.modules()["decoder"]
    z = sample_prior(standard_normal(run.config.latent_dim), count, seed=seed)
    return torch.cat([(255 * decoder(part).mean).round().to(torch.uint8) for part in z.split(1000)])


def _sizes(config: gan.Config) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (config.latent_dim, *config.widths, _NUM_PIXELS), (_NUM_PIXELS, *config.judge_widths, 1)


def _weights(*sizes: int) -> int:
    return sum(inputs * outputs for inputs, outputs in pairwise(sizes))
