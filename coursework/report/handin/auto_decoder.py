"""The auto-decoder: one free latent vector per image, learned with the decoder by the reconstruction error alone.

`python AutoDecoder.py` trains on the images of `data/`, fits latents to the test images with the decoder frozen, scores
both by the course's `evaluate_model`, and leaves four figures. `--help` lists what can be changed.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from coursework.report.handin.course_utils import create_dataloaders, plot_tsne, save_images
from coursework.report.handin.training import (
    Settings,
    as_images,
    augmented,
    check_images,
    cpu_minutes,
    device_and_seed,
    fit_by_the_course,
    interpolate,
    mean_image_score,
    new_net,
    read_arguments,
    refuse_collapse,
    score_as_it_is,
    settle,
    to_pixels,
    train,
    two_classes,
)


class AutoDecoder(nn.Module):
    """Latent vectors to images. There is no encoder: an image's latent vector is a row of a table, fitted to it.

    Args:
        settings: sizes of the decoder.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.net = new_net(self.settings)

    def forward(self, z: Tensor) -> Tensor:
        """Images (B, 28, 28) on 0..255 of latent vectors (B, d)."""
        return to_pixels(self.net(z))

    def new_latents(self, num_images: int, generator: torch.Generator | None = None) -> nn.Parameter:
        """Latent vectors (N, d) for new images, at random around zero."""
        device = next(self.parameters()).device
        return nn.Parameter(0.01 * torch.randn(num_images, self.settings.latent_dim, generator=generator).to(device))

    def sample_prior(self, num_samples: int) -> Tensor:
        """Draws (n, d) from N(0, I), which an auto-decoder was never asked to follow."""
        device = next(self.parameters()).device
        return torch.randn(num_samples, self.settings.latent_dim).to(device)


def squared_error(rows: Tensor, decoder: nn.Module, x: Tensor) -> Tensor:
    """Half the squared error, summed over pixels, mean over the batch. A row (1, d) is a latent vector itself."""
    return 0.5 * (decoder(rows[:, 0]) - x).square().sum() / len(x)


def learn(images: Tensor, settings: Settings) -> tuple[AutoDecoder, nn.Parameter]:
    """A trained auto-decoder and its latent vectors (N, d), in the order of the images.

    The images' altered versions have latents of their own, which are left out of what is returned.

    Args:
        images: whole numbers (N, 28, 28) on 0..255, on the device to train on.
        settings: sizes, rates and seed.
    """
    check_images(images)
    generator = torch.Generator().manual_seed(settings.seed)
    pictures = augmented(images, settings, generator)
    model = AutoDecoder(settings).to(images.device)
    model.net.start_from(images / 255)
    table = nn.Parameter(model.new_latents(len(pictures), generator).detach()[:, None])
    train(model.net, table, pictures, squared_error, settings)
    return model, nn.Parameter(table.detach()[: len(images), 0].clone())


def settled_latents(model: AutoDecoder, images: Tensor) -> nn.Parameter:
    """Latent vectors (N, d) for images the model has not seen, fitted to the linear part of its decoder: a start."""
    generator = torch.Generator().manual_seed(model.settings.seed)
    fresh = model.new_latents(len(images), generator).detach()[:, None]
    return nn.Parameter(settle(fresh, images / 255, model.net, squared_error, model.settings)[:, 0])


class Outcome(NamedTuple):
    """What a run of this program ends with."""

    model: AutoDecoder
    latents: nn.Parameter
    test_latents: nn.Parameter
    scores: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> Outcome:
    """Train, score, draw."""
    settings, given = read_arguments("Train and score an auto-decoder.", arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    device, began = device_and_seed(settings), time.process_time()
    train_set, train_loader, test_set, test_loader = create_dataloaders(given.data, batch_size=settings.batch_size)
    check_images(test_set.X)

    model, latents = learn(train_set.X.to(device), settings)
    test_latents = settled_latents(model, test_set.X.to(device))
    scores = {
        "mean image, test": mean_image_score(train_set.X, test_loader),
        "train": score_as_it_is(model, train_loader, latents),
        "test": fit_by_the_course(model, test_loader, test_latents, settings),
    }
    print(f"batch {settings.batch_size}, pixels on 0..255, {cpu_minutes(began):.1f} CPU minutes")  # noqa: T201
    for name, score in scores.items():
        print(f"{name:<20} {score:.4f}")  # noqa: T201
    refuse_collapse(scores["test"], scores["mean image, test"])

    draw(model, test_set.y, test_latents.detach(), str(given.out))
    plot_tsne(train_set, latents.detach().cpu(), f"{given.out}/ad_tsne.png", "Auto-decoder: t-SNE of the latents")
    return Outcome(model, latents, test_latents, scores)


@torch.no_grad()
def draw(model: AutoDecoder, labels: Tensor, latents: Tensor, folder: str) -> None:
    """Five draws from N(0, I), five test images, and the way from one test image to another, decoded."""
    first, second = two_classes(labels)
    save_images(as_images(model(model.sample_prior(5))), f"{folder}/ad_prior.png")
    save_images(as_images(model(latents[:5])), f"{folder}/ad_test.png")
    path = interpolate(latents[first], latents[second])
    save_images(as_images(model(path)), f"{folder}/ad_interpolation.png")


if __name__ == "__main__":
    outcome = main()
