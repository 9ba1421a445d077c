"""The variational auto-decoder: one free posterior per image, learned with the decoder by the evidence lower bound.

`python VariationalAutoDecoder.py` trains a model for each family of posteriors on the images of `data/`, fits
posteriors to the test images with the decoder frozen, scores both by the course's `evaluate_model`, and leaves four
figures per family. `--families normal` trains one alone; `--help` lists what can be changed.

The posterior of image i is row i of one table (N, 2, d): for each coordinate two numbers without bounds, which a map
onto the constraints turns into legal parameters. No network sees the image.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import (
    Distribution,
    Gumbel,
    Independent,
    Laplace,
    Normal,
    Uniform,
    constraints,
    kl_divergence,
    transform_to,
)

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

PIXEL_SCALE = 0.05
"""Standard deviation of a pixel on 0..1 around its decoded value: the weight of the error against the divergence."""

SCALE = constraints.interval(1e-3, 10.0)


class Family(NamedTuple):
    """A law of one coordinate: its two parameters and their domains, its prior, and where training starts.

    Every law here is a reparameterised one, so `rsample` carries the gradient, and torch has KL(law || prior) in closed
    form.
    """

    law: Callable[[Tensor, Tensor], Distribution]
    prior: tuple[float, float]
    domains: tuple[constraints.Constraint, constraints.Constraint] = (constraints.real, SCALE)
    start: tuple[float, float] = (0.0, 0.1)


def uniform_inside(place: Tensor, width: Tensor) -> Distribution:
    """The uniform law of relative width `width` in the room that [-1, 1] leaves it, `place` = 0 at the lower end.

    It cannot leave its prior's support, outside which the divergence is infinite.
    """
    low = 2 * (1 - width) * place - 1
    return Uniform(low, (low + 2 * width).clamp(max=1), validate_args=False)


FAMILIES = {
    "normal": Family(Normal, prior=(0.0, 1.0)),  # loc + scale * N(0, 1)
    "laplace": Family(Laplace, prior=(0.0, 1.0)),  # loc - scale * sign(u) * log(1 - |u|), u uniform on -1..1
    "gumbel": Family(Gumbel, prior=(0.0, 1.0)),  # loc - scale * log(-log(u)), u uniform on 0..1
    "uniform": Family(  # low + (high - low) * u
        uniform_inside,
        prior=(0.0, 1.0),
        domains=(constraints.unit_interval, constraints.interval(1e-3, 1.0)),
        start=(0.5, 0.1),
    ),
}


class VariationalAutoDecoder(nn.Module):
    """Posteriors to images: in training mode a draw from each is decoded, in evaluation mode each one's mean.

    Args:
        settings: sizes of the decoder.
        family: of posteriors and prior, a key of FAMILIES.
    """

    def __init__(self, settings: Settings | None = None, family: str = "normal") -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.family = FAMILIES[family]
        self.net = new_net(self.settings)

    def posterior(self, rows: Tensor) -> Distribution:
        """The laws q(z) of latent vectors with the raw parameters `rows` (B, 2, d)."""
        first, second = (transform_to(constraint)(rows[:, k]) for k, constraint in enumerate(self.family.domains))
        return Independent(self.family.law(first, second), 1)

    def prior(self) -> Distribution:
        """The law p(z) that the divergence is taken from, and that new latent vectors are drawn from."""
        shape = next(self.parameters()).new_ones(self.settings.latent_dim)
        return Independent(self.family.law(self.family.prior[0] * shape, self.family.prior[1] * shape), 1)

    def sample_prior(self, num_samples: int) -> Tensor:
        """Draws (n, d) from the prior."""
        return self.prior().sample((num_samples,))

    def locations(self, rows: Tensor) -> Tensor:
        """The posteriors' means (N, d): one vector per image, nothing drawn."""
        return self.posterior(rows).mean

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, 28, 28) on 0..255 of latent vectors (B, d)."""
        return to_pixels(self.net(z))

    def forward(self, rows: Tensor) -> Tensor:
        """Images (B, 28, 28) on 0..255 of posteriors (B, 2, d)."""
        return self.decode(self.posterior(rows).rsample() if self.training else self.locations(rows))

    def new_latents(self, num_images: int, generator: torch.Generator | None = None) -> nn.Parameter:
        """Raw parameters (N, 2, d) for new images: random, near a law a tenth as wide as the prior, in its middle."""
        pairs = zip(self.family.domains, self.family.start, strict=True)
        start = torch.stack([transform_to(constraint).inv(torch.tensor(value)) for constraint, value in pairs])
        noise = torch.randn(num_images, 2, self.settings.latent_dim, generator=generator)
        return nn.Parameter((start[:, None] + 0.01 * noise).to(next(self.parameters()).device))

    def loss(self, rows: Tensor, decoder: nn.Module, x: Tensor) -> Tensor:
        """Minus the evidence lower bound, mean over the batch, without its constant.

        KL(q || p) - E_q[log p(x|z)], the second term from one draw, with pixels N(decoder(z), PIXEL_SCALE^2) on 0..1.
        """
        posterior = self.posterior(rows)
        error = (decoder(posterior.rsample()) - x).square().flatten(1).sum(1)
        return (error / (2 * PIXEL_SCALE**2) + kl_divergence(posterior, self.prior())).mean()


def learn(images: Tensor, settings: Settings, family: str = "normal") -> tuple[VariationalAutoDecoder, nn.Parameter]:
    """A trained variational auto-decoder and its posteriors (N, 2, d), in the order of the images.

    The images' altered versions have posteriors of their own, which are left out of what is returned.

    Args:
        images: whole numbers (N, 28, 28) on 0..255, on the device to train on.
        settings: sizes, rates and seed.
        family: of posteriors and prior.
    """
    check_images(images)
    generator = torch.Generator().manual_seed(settings.seed)
    pictures = augmented(images, settings, generator)
    model = VariationalAutoDecoder(settings, family).to(images.device)
    prior = model.prior()
    model.net.start_from(images / 255, mean=prior.mean.mean().item(), spread=prior.stddev.mean().item())
    table = model.new_latents(len(pictures), generator)
    train(model.net, table, pictures, model.loss, settings)
    return model, nn.Parameter(table.detach()[: len(images)].clone())


def settled_latents(model: VariationalAutoDecoder, images: Tensor) -> nn.Parameter:
    """Posteriors (N, 2, d) for images the model has not seen, fitted to the linear part of its decoder: a start."""
    generator = torch.Generator().manual_seed(model.settings.seed)
    fresh = model.new_latents(len(images), generator).detach()
    return nn.Parameter(settle(fresh, images / 255, model.net, model.loss, model.settings))


class Outcome(NamedTuple):
    """What a run of this program ends with, for one family."""

    model: VariationalAutoDecoder
    latents: nn.Parameter
    test_latents: nn.Parameter
    scores: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> dict[str, Outcome]:
    """Train, score and draw, for each family."""
    settings, given = read_arguments("Train and score variational auto-decoders.", arguments, tuple(FAMILIES))
    given.out.mkdir(parents=True, exist_ok=True)
    device = device_and_seed(settings)
    train_set, train_loader, test_set, test_loader = create_dataloaders(given.data, batch_size=settings.batch_size)
    check_images(test_set.X)
    mean_score = mean_image_score(train_set.X, test_loader)
    print(f"batch {settings.batch_size}, pixels on 0..255; mean image, test: {mean_score:.4f}")  # noqa: T201

    outcomes = {}
    for family in given.families:
        began = time.process_time()
        torch.manual_seed(settings.seed)
        model, latents = learn(train_set.X.to(device), settings, family)
        test_latents = settled_latents(model, test_set.X.to(device))
        scores = {"test, a draw": fit_by_the_course(model.train(), test_loader, test_latents, settings)}
        scores["test, the mean"] = score_as_it_is(model.eval(), test_loader, test_latents)
        scores["train, the mean"] = score_as_it_is(model, train_loader, latents)
        print(f"{family}, {cpu_minutes(began):.1f} CPU minutes")  # noqa: T201
        for name, score in scores.items():
            print(f"  {name:<18} {score:.4f}")  # noqa: T201
        refuse_collapse(scores["test, the mean"], mean_score)

        start = f"{given.out}/vad_{family}"
        draw(model, test_set.y, test_latents.detach(), start)
        z = model.locations(latents.detach()).cpu()
        plot_tsne(
            train_set, z, f"{start}_tsne.png", f"Variational auto-decoder, {family}: t-SNE of the posteriors' means"
        )
        outcomes[family] = Outcome(model, latents, test_latents, scores)
    return outcomes


@torch.no_grad()
def draw(model: VariationalAutoDecoder, labels: Tensor, rows: Tensor, start: str) -> None:
    """Five draws from the prior, five test images, and the way from one test image to another, decoded."""
    first, second = two_classes(labels)
    z = model.locations(rows)
    save_images(as_images(model.decode(model.sample_prior(5))), f"{start}_prior.png")
    save_images(as_images(model.decode(z[:5])), f"{start}_test.png")
    save_images(as_images(model.decode(interpolate(z[first], z[second]))), f"{start}_interpolation.png")


if __name__ == "__main__":
    outcomes = main()
