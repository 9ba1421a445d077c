"""What both auto-decoders share: training, the fit of new latents, paths between latents, and the command line."""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from coursework.data.augment import augment
from coursework.nets.decoders import LocalDecoder, SkipDecoder
from coursework.report.handin.course_evaluate import evaluate_model, reconstruction_loss
from coursework.training.optim import RowAdam
from coursework.training.schedules import geometric, half_cosine, warm_half_cosine

SIDE = 28
"""Height and width of an image in pixels."""

Loss = Callable[[Tensor, nn.Module, Tensor], Tensor]
"""Rows of latents (B, k, d), a decoder on 0..1 and its targets (B, ...) to the mean loss of the batch."""


@dataclass(frozen=True)
class Settings:
    """How a model is built, trained and tested; chosen on training images that were held out, never on test images.

    Attributes:
        latent_dim: numbers per image.
        channels: features per cell of the decoder's nonlinear part.
        copies: altered versions of each training image, each with latents of its own.
        strength: how much the versions are altered; 1 is up to a pixel, 4 degrees, 5 % of size, 10 % of brightness.
        epochs: passes over the images and their altered versions.
        batch_size: images a step, in training and in scoring.
        rate: largest step size of the decoder.
        latent_rate: largest step size of the latents.
        settle_steps: steps of the latents against the decoder's linear part, before anything else moves.
        settle_rate: their first step size.
        leak: slope of the decoder outside the range of pixels, at the start of training and at its end.
        test_epochs: steps of the test-time fit, a pass over all test images each.
        test_rate: its first step size.
        seed: of everything random.
    """

    latent_dim: int = 128
    channels: int = 48
    copies: int = 47
    strength: float = 1.5
    epochs: int = 27
    batch_size: int = 64
    rate: float = 2e-3
    latent_rate: float = 0.2
    settle_steps: int = 40
    settle_rate: float = 0.3
    leak: tuple[float, float] = (0.02, 0.002)
    test_epochs: int = 250
    test_rate: float = 0.2
    seed: int = 0


def new_net(settings: Settings) -> SkipDecoder:
    """Latents (B, d) to images (B, 28, 28) on 0..1: a linear map plus a local network, bent to the range of pixels."""
    shape = (SIDE, SIDE)
    hidden = LocalDecoder(settings.latent_dim, settings.channels, shape)
    return SkipDecoder(settings.latent_dim, hidden, shape, leak=settings.leak[0])


def to_pixels(images: Tensor) -> Tensor:
    """Images (B, 28, 28) on 0..255 from the net's on 0..1: never outside, though the gradient leaks through the ends.

    A channel axis would broadcast silently against the data, so the shape is asserted.
    """
    assert images.shape[1:] == (SIDE, SIDE), f"decoded images have shape {tuple(images.shape)}, not (B, 28, 28)"
    return 255 * (images.detach().clamp(0, 1) + (images - images.detach()))


def check_images(images: Tensor) -> None:
    """Nothing, if these can be trained on.

    Raises:
        ValueError: fewer than two, not 28 x 28, or not whole numbers on 0..255.
    """
    if images.dim() != 3 or images.shape[1:] != (SIDE, SIDE) or len(images) < 2:
        raise ValueError(f"the images have shape {tuple(images.shape)}: expected (N, 28, 28) with N of 2 or more.")
    if images.is_floating_point() or images.min() < 0 or images.max() > 255:
        raise ValueError(f"pixels run from {images.min()} to {images.max()}: expected whole numbers on 0..255.")


def train(net: SkipDecoder, rows: nn.Parameter, images: Tensor, loss: Loss, settings: Settings) -> None:
    """Move the net and the rows together, row i by image i alone.

    Args:
        net: decoder on 0..1; changed in place.
        rows: latents (N, k, d), one row per image; changed in place.
        images: uint8 (N, 28, 28).
        loss: what is minimised.
        settings: as above.
    """
    rows.data = settle(rows.detach(), images / 255, net, loss, settings)
    latents = RowAdam(rows, lr=settings.latent_rate, betas=(0.9, 0.99), mode="rows")
    decoder = torch.optim.Adam(net.parameters(), lr=settings.rate, betas=(0.9, 0.99))
    num_steps = settings.epochs * math.ceil(len(images) / settings.batch_size)
    step = 0
    for epoch in range(settings.epochs):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for index in order.split(settings.batch_size):
            net.leak = geometric(step, num_steps, *settings.leak, fraction=0.7)
            decoder.param_groups[0]["lr"] = settings.rate * warm_half_cosine(step, num_steps)
            latents.param_groups[0]["lr"] = settings.latent_rate * half_cosine(step, num_steps)
            batch = latents.gather(index)
            value = loss(batch, net, images[index] / 255)
            if not torch.isfinite(value):
                raise FloatingPointError(f"the loss is {value.item()} at step {step}: lower rate or latent_rate.")
            decoder.zero_grad()
            value.backward()
            decoder.step()
            latents.step()
            step += 1
    net.leak = settings.leak[1]


def settle(rows: Tensor, images: Tensor, net: SkipDecoder, loss: Loss, settings: Settings) -> Tensor:
    """The rows after a few steps of Adam against the net's linear part, which stays as it is.

    Args:
        rows: latents (N, k, d).
        images: (N, 28, 28) on 0..1.
        net: left alone.
        loss: what is minimised.
        settings: steps and their size.
    """
    linear, targets = net.linear_problem(images)
    settled = rows.clone()
    for index in torch.arange(len(rows), device=rows.device).split(1000):
        part = rows[index].requires_grad_()
        adam = torch.optim.Adam([part], lr=settings.settle_rate, betas=(0.9, 0.9))
        for step in range(settings.settle_steps):
            adam.param_groups[0]["lr"] = settings.settle_rate * half_cosine(step, settings.settle_steps)
            adam.zero_grad()
            (len(index) * loss(part, linear, targets[index])).backward()
            adam.step()
        settled[index] = part.detach()
    return settled


def augmented(images: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """The images as uint8, followed by their altered versions."""
    altered = augment(images.to(torch.uint8).cpu(), settings.copies, generator, strength=settings.strength)
    return altered.to(images.device)


def fit_by_the_course(model: nn.Module, loader: DataLoader, latents: nn.Parameter, settings: Settings) -> float:
    """The course's score after the course's own fit of the latents, the rate falling along half a cosine.

    The fit takes all images as one batch: between batches, Adam's momentum would go on moving the rows of the others.
    Its optimiser holds nothing but the latents, so the model stays as it is. The score is that of the loader's batches.
    """
    adam = torch.optim.Adam([latents], lr=settings.test_rate, betas=(0.9, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(1, settings.test_epochs))
    adam.register_step_post_hook(lambda *_: schedule.step())
    together = DataLoader(loader.dataset, batch_size=len(latents))
    evaluate_model(model, together, adam, latents, settings.test_epochs, latents.device)
    return score_as_it_is(model, loader, latents)


def score_as_it_is(model: nn.Module, loader: DataLoader, latents: nn.Parameter) -> float:
    """The course's score of latents that are fitted already: its evaluation, with no pass of fitting."""
    return evaluate_model(model, loader, torch.optim.SGD([latents], lr=0.0), latents, 0, latents.device)


def mean_image_score(images: Tensor, loader: DataLoader) -> float:
    """What decoding every image to the mean of `images` would score: a model no better than that has collapsed."""
    mean = images.float().mean(0).cpu()
    losses = [reconstruction_loss(x.cpu(), mean.expand(len(x), SIDE, SIDE)).item() for _, x in loader]
    return sum(losses) / len(losses)


def refuse_collapse(score: float, mean_score: float) -> None:
    """Nothing, if the score beats the mean image's.

    Raises:
        RuntimeError: it does not.
    """
    if not score < mean_score:
        raise RuntimeError(f"the model scores {score:.4f}, the mean image {mean_score:.4f}: it has collapsed.")


def interpolate(start: Tensor, end: Tensor, between: int = 5) -> Tensor:
    """Points (between + 2, d) on the straight line from start to end, both included, evenly spaced."""
    weight = torch.linspace(0, 1, between + 2, device=start.device)[:, None]
    return (1 - weight) * start + weight * end


def two_classes(labels: Tensor) -> tuple[int, int]:
    """The first image and the first one of another class than it."""
    others = (labels != labels[0]).nonzero()[:, 0]
    if len(others) == 0:
        raise ValueError("all test images are of one class: there is nothing to interpolate between.")
    return 0, int(others[0])


def device_and_seed(settings: Settings) -> torch.device:
    """The GPU if there is one; everything random starts from the seed."""
    torch.manual_seed(settings.seed)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def as_images(pixels: Tensor) -> Tensor:
    """(N, 28, 28) to what the course's `save_images` takes: (N, 1, 28, 28)."""
    return pixels.detach().cpu()[:, None]


def read_arguments(
    description: str, arguments: Sequence[str] | None, families: Sequence[str] = ()
) -> tuple[Settings, argparse.Namespace]:
    """The settings, and where data and figures are, from the command line."""
    defaults = Settings()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", default="data", help="folder with fashion-mnist_train.csv and fashion-mnist_test.csv")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures")
    if families:
        parser.add_argument("--families", nargs="+", choices=families, default=list(families), help="posteriors")
    names = ("latent_dim", "channels", "copies", "epochs", "test_epochs", "seed")
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    given = parser.parse_args(arguments)
    for name, least in {"latent_dim": 1, "channels": 1, "copies": 0, "epochs": 1, "test_epochs": 0, "seed": 0}.items():
        if getattr(given, name) < least:
            parser.error(f"--{name.replace('_', '-')} {getattr(given, name)}: give {least} or more")
    if given.latent_dim > SIDE**2:
        parser.error(f"--latent-dim {given.latent_dim}: give {SIDE**2} at most, the number of pixels")
    return Settings(**{name: getattr(given, name) for name in names}), given


def cpu_minutes(began: float) -> float:
    """CPU minutes since `began`, a reading of `time.process_time`."""
    return (time.process_time() - began) / 60
