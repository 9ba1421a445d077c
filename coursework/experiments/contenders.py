"""Models of the same digits, each with its density, a way to draw images and a representation, if it has one."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from coursework.data import load
from coursework.data.binarise import STATIC_SEED, drawn, prepare
from coursework.data.signed import unsigned
from coursework.distributions.families import standard_normal
from coursework.experiments import ddpm, flow, flow_study
from coursework.experiments.equal_cost import vae_samples
from coursework.experiments.registry import configure
from coursework.experiments.trained import trained_decoder
from coursework.experiments.vae_study import long_runs
from coursework.inference import decode, sample_prior
from coursework.metrics.generated import sample_scores
from coursework.metrics.latent import fitted_normal
from coursework.metrics.latent_space import transfer_accuracy
from coursework.models.denoising import evenly_spaced, sample
from coursework.models.gan import generated
from coursework.nets.classifiers import ConvClassifier
from coursework.objectives.bits import bits_per_dim
from coursework.runs import Run, run

DATASETS = {"fast": "mnist-5k", "cpu": "mnist-5k", "full": "mnist"}
"""Shorter profiles take the digits that come with a package: they need no files."""

_LABELLED = {"fast": 100, "cpu": 500, "full": 1000}
"""Training and test images, as many of each, on which a representation is judged: auto-decoders have no more codes."""

_DRAWN = {"fast": 100, "cpu": 500, "full": 1000}
"""Images drawn from each model, and real images they are compared with."""

_AUTO_DECODERS: dict[str, dict[str, Any]] = {
    "fast": {},
    "cpu": {"copies": 3, "epochs": 10, "test_steps": 80},
    "full": {},
}
"""What makes the auto-decoders of digits cheaper than those of their own page."""

_EVIDENCE_IMAGES = {"fast": 10, "cpu": 20, "full": 50}
"""Test images on which the variational auto-decoder's density is estimated."""

Images = UInt8[Tensor, "image height width"]
Codes = Float[Tensor, "image feature"]


@dataclass(frozen=True)
class Contender:
    """A trained model, seen through what it can do.

    Attributes:
        density: what its likelihood of test images is, in words, or `none`.
        draw: number of images and a seed → images.
        represent: images of the split `train` or `test` → features; None without a representation.
        minutes: CPU time of training.
        num_images: training images that it has seen.
        bits: per dimension of grey test images, a bound or an estimate; NaN for models without.
        nats: of binarised test images; NaN for models without.
    """

    density: str
    draw: Callable[[int, int], Images]
    represent: Callable[[Images, str], Codes] | None
    minutes: float
    num_images: int
    bits: float = math.nan
    nats: float = math.nan


def contenders(profile: str, seed: int) -> dict[str, Contender]:
    """The models, trained or found: runs that the other pages of the studies show, and an AD and a VAD of digits."""
    encoders = long_runs(profile, seed)
    out = {"VAE" if label == "VAE" else "IWAE": _auto_encoder(run(config)) for label, config in encoders.items()}
    for label, game in (("GAN", {}), ("WGAN-GP", {"game": "penalty"})):
        out[label] = _game(run(configure("gan", profile, dataset=DATASETS[profile], seed=seed, **game)))
    dense = flow_study.headline(profile, seed)
    out["dense flow"], out["level flow"] = (_flow(run(c)) for c in (dense, flow_study.graded(dense, profile)))
    out["DDPM"] = _diffusion(run(configure("ddpm", profile, dataset=DATASETS[profile], seed=seed)))
    sizes: dict[str, Any] = {"dataset": DATASETS[profile], "num_test": _LABELLED[profile], "seed": seed}
    sizes |= _AUTO_DECODERS[profile]
    out["AD"] = _auto_decoder(run(configure("ad", profile, **sizes)))
    out["VAD"] = _variational(profile, sizes)
    return out


def scores(contender: Contender, classifier: ConvClassifier, profile: str, seed: int) -> Mapping[str, str | float]:
    """One row of the table: density, F-FID, precision, recall, accuracy of the representation, and both costs."""
    count = _DRAWN[profile]
    began = time.process_time()
    images = contender.draw(count, seed)
    seconds = (time.process_time() - began) * 1000 / count
    found = sample_scores(images, _split("test", count, profile)[0], classifier)
    return {
        "density": contender.density,
        "bits": contender.bits,
        "nats": contender.nats,
        "F-FID": found["ffid"],
        "precision": found["precision"],
        "recall": found["recall"],
        "k-NN": _accuracy(contender.represent, profile) if contender.represent else float("nan"),
        "training images": contender.num_images,
        "training": contender.minutes,
        "drawing": seconds,
    }


def yardsticks(classifier: ConvClassifier, profile: str) -> dict[str, Mapping[str, str | float]]:
    """The same columns for other real images, and for pixels as their own representation."""
    count = _DRAWN[profile]
    found = sample_scores(_split("train", count, profile)[0], _split("test", count, profile)[0], classifier)
    row: dict[str, str | float] = {
        "density": "–",
        "F-FID": found["ffid"],
        "precision": found["precision"],
        "recall": found["recall"],
    }
    nothing: dict[str, str | float] = {
        name: float("nan") for name in ("bits", "nats", "training images", "training", "drawing")
    }
    row["k-NN"] = _accuracy(lambda x, _: x.flatten(1).float(), profile)
    return {"real images": row | nothing}


def _split(split: str, count: int, profile: str) -> tuple[Images, Tensor]:
    rows = load(DATASETS[profile], split, n=count)
    return rows.images, rows.labels


def _accuracy(represent: Callable[[Images, str], Codes], profile: str) -> float:
    """Share of test images whose nearest neighbours among as many labelled training images tell their class."""
    (train, labels), (test, test_labels) = (_split(split, _LABELLED[profile], profile) for split in ("train", "test"))
    return transfer_accuracy(represent(train, "train"), labels, represent(test, "test"), test_labels)


def _with_bits(bits: float, kind: str, draw: Any, represent: Any, found: Run) -> Contender:
    words = f"{bits:.3f} bits/dim, {kind}"
    return Contender(words, draw, represent, _minutes(found), found.config.num_train, bits)


def _minutes(found: Run) -> float:
    return found.provenance["cpu_seconds"]["training"] / 60


def _auto_encoder(found: Run) -> Contender:
    encoder = found.modules()["encoder"]

    @torch.no_grad()
    def represent(images: Images, split: str) -> Codes:
        x = drawn(prepare(images, "static", seed=STATIC_SEED[split]), "static")
        return encoder(x).mean

    nats = found.metrics["nll"]
    return Contender(
        f"{nats:.1f} nats, binarised",
        lambda n, seed: vae_samples(found, n, seed),
        represent,
        _minutes(found),
        found.config.num_train,
        nats=nats,
    )


def _game(found: Run) -> Contender:
    generator = found.modules()["average"]

    def draw(count: int, seed: int) -> Images:
        z = torch.randn(count, found.config.latent_dim, generator=torch.Generator().manual_seed(seed))
        return generated(generator, z).unflatten(1, (28, 28))

    return Contender("none", draw, None, _minutes(found), found.config.num_train)


def _flow(found: Run) -> Contender:
    model, dequantiser = flow.trained_flow(found)

    @torch.no_grad()
    def represent(images: Images, split: str) -> Codes:
        x, _ = dequantiser(images, torch.Generator().manual_seed(STATIC_SEED[split]))
        return model.normalise(x)[0]

    def draw(count: int, seed: int) -> Images:
        return model.sample(count, generator=torch.Generator().manual_seed(seed)).byte()

    return _with_bits(found.metrics["test_bits"], "bound", draw, represent, found)


def _diffusion(found: Run) -> Contender:
    guess, schedule = found.modules()["guess"].requires_grad_(False), ddpm.noising(found.config)

    def draw(count: int, seed: int) -> Images:
        noise = torch.randn(count, 28, 28, generator=torch.Generator().manual_seed(seed))
        levels = evenly_spaced(max(found.config.steps), len(schedule))
        return unsigned(torch.cat([sample(guess, schedule, x, levels=levels, eta=0.0) for x in noise.split(250)]))

    return _with_bits(found.metrics["bits"], "bound", draw, None, found)


def _auto_decoder(found: Run) -> Contender:
    """Codes come from the run itself, so only its own first images can be represented."""
    decoder = trained_decoder(found)
    codes = found.arrays["train_latents"]
    prior = standard_normal(found.config.latent_dim) if hasattr(found.config, "family") else fitted_normal(codes)

    def represent(images: Images, split: str) -> Codes:
        return found.arrays[f"{split}_latents"][: len(images)]

    def draw(count: int, seed: int) -> Images:
        pictures = 255 * decode(decoder, sample_prior(prior, count, seed).float()).clamp(0, 1)
        return pictures.round().to(torch.uint8)

    return Contender("none", draw, represent, _minutes(found), found.config.num_train)


def _variational(profile: str, sizes: Mapping[str, Any]) -> Contender:
    """The VAD with the evidence of some test images: a Gaussian of s = 0.05 hardly changes within a grey level."""
    found = run(configure("vad-normal", profile, **sizes))
    measured = run(configure("evidence", profile, model="vad", num_images=_EVIDENCE_IMAGES[profile], **sizes))
    bits = bits_per_dim(torch.tensor(measured.metrics["log_evidence"]), 784, levels_per_unit=255.0)
    without = _auto_decoder(found)
    return _with_bits(bits.item(), "estimate", without.draw, without.represent, found)
