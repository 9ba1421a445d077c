"""Evidence for S-GAN 1 and 2: back-propagation by hand against autograd, and the pull on a generator as D improves."""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from coursework.data import load
from coursework.data.signed import signed
from coursework.models.backprop import Gradients, discriminator_gradients, generator_gradients, layers_of
from coursework.models.gan import discriminator_player, normal_latents
from coursework.nets.adversarial import ImageGenerator, ImageJudge
from coursework.objectives.adversarial import gan_discriminator_loss, gan_generator_loss

TOLERANCE = 1e-6
"""Largest relative difference from autograd that is allowed, in double precision."""

DEPTHS = ((1, 1), (2, 3), (3, 5), (6, 6))
"""Layers of the discriminator and of the generator; the third pair has those of S-GAN 3."""


def random_game(depths: tuple[int, int], seed: int) -> tuple[ImageGenerator, ImageJudge, Tensor, Tensor]:
    """Nets of so many layers with random widths, data and latents, in double precision: (G, D, x, z)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = torch.randint(2, 9, (depths[0] + depths[1] + 2,)).tolist()
        judge = ImageJudge(sizes[0], sizes[1 : depths[0]]).double()
        generator = ImageGenerator(sizes[-1], sizes[depths[0] : depths[0] + depths[1] - 1], sizes[0], batch_norm=False)
        return generator.double(), judge, 2 * torch.rand(6, sizes[0]).double() - 1, torch.randn(6, sizes[-1]).double()


def by_autograd(loss: Tensor, net: nn.Module) -> list[Tensor]:
    """Gradients of every weight and bias, in the order of the layers."""
    return list(torch.autograd.grad(loss, list(net.parameters())))


def interleaved(found: Gradients) -> list[Tensor]:
    """Weights and biases in torch's order: of the first layer, then of the second, and so on."""
    return [tensor for pair in zip(found.weights, found.biases, strict=True) for tensor in pair]


def largest_difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Over all entries, relative to the largest entry of each tensor."""
    return max(
        float((one - other).abs().max() / other.abs().max().clamp(min=1e-300))
        for one, other in zip(found, expected, strict=True)
    )


def gradient_differences(depths: tuple[int, int], seed: int, smooth: float = 0.9) -> dict[str, float]:
    """What back-propagation by hand differs from autograd by, for D's ascent and both of G's descents."""
    generator, judge, x, z = random_game(depths, seed)
    g, d = layers_of(generator), layers_of(judge)
    fake = generator(z)
    value = -gan_discriminator_loss(judge(x), judge(fake.detach()), smooth=smooth)[0]
    out = {
        "D": largest_difference(
            interleaved(discriminator_gradients(d, x, fake.detach(), smooth=smooth)), by_autograd(value, judge)
        )
    }
    for name, saturating in (("G, saturating", True), ("G, non-saturating", False)):
        loss = gan_generator_loss(judge(generator(z)), saturating=saturating)[0]
        found = generator_gradients(g, d, z, saturating=saturating)
        out[name] = largest_difference(interleaved(found), by_autograd(loss, generator))
    return out


def shapes_table(latent_dim: int = 100, batch: int = 64) -> pd.DataFrame:
    """The recursion through the nets of S-GAN 3 from D's logit down to z: every weight, error and product, by shape."""
    nets = (("D", layers_of(ImageJudge())), ("G", layers_of(ImageGenerator(latent_dim, batch_norm=False))))
    rows = []
    for name, layers in nets:
        for number, layer in reversed(list(enumerate(layers, start=1))):
            outputs, inputs = layer.weight.shape
            rows.append(
                {
                    "layer": f"{name} {number}",
                    "W": f"{outputs} × {inputs}",
                    "E": f"{batch} × {outputs}",
                    "gradient of W": f"({outputs} × {batch}) ({batch} × {inputs})",
                    "error passed on": f"({batch} × {outputs}) ({outputs} × {inputs})",
                }
            )
    return pd.DataFrame(rows)


def check_table(seed: int, instances: int = 5) -> pd.DataFrame:
    """Largest differences from autograd over random nets of several depths."""
    rows = []
    for depths in DEPTHS:
        found = [gradient_differences(depths, seed * 1000 + instance) for instance in range(instances)]
        row: dict[str, object] = {"layers of D": depths[0], "layers of G": depths[1]}
        rows.append(row | {name: max(differences[name] for differences in found) for name in found[0]})
    return pd.DataFrame(rows)


def small_steps(seed: int, size: float = 1e-3) -> dict[str, tuple[float, float]]:
    """The game before and after one small step by hand: the value for D's ascent, the loss for each descent of G."""
    generator, judge, x, z = random_game((3, 5), seed)
    d, g = layers_of(judge), layers_of(generator)
    out = {}

    def moved(net: nn.Sequential, found: Gradients, sign: float) -> nn.Sequential:
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), interleaved(found), strict=True):
                parameter.add_(gradient, alpha=sign * size)
        return net

    def value() -> float:
        return -gan_discriminator_loss(judge(x), judge(generator(z)))[0].item()

    for name, saturating in (("G, saturating", True), ("G, non-saturating", False)):
        before = gan_generator_loss(judge(generator(z)), saturating=saturating)[0].item()
        found = generator_gradients(g, d, z, saturating=saturating)
        moved(generator, found, -1.0)
        out[name] = (before, gan_generator_loss(judge(generator(z)), saturating=saturating)[0].item())
        moved(generator, found, 1.0)
    before = value()
    moved(judge, discriminator_gradients(d, x, generator(z).detach()), 1.0)
    out["D"] = (before, value())
    return out


def early_game(dataset: str, profile: str, seed: int) -> pd.DataFrame:
    """A generator that stands still while a discriminator learns to tell it: D(G(z)), and how strongly each loss pulls.

    Columns: `step`, `probability`, the mean D(G(z)); `saturating` and `non-saturating`, norms of the gradient for all
    the generator's weights.

    Raises:
        DataError: the images are absent.
    """
    num_steps, count = {"fast": (24, 200), "cpu": (40, 2000), "full": (40, 2000)}[profile], 64
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x = signed(load(dataset, "train", n=num_steps[1]).images.flatten(1))
        generator, judge = ImageGenerator(100, batch_norm=False), ImageJudge()
        player = discriminator_player(judge, generator, x, normal_latents(100), rate=1e-3)
        z = torch.randn(count, 100)
        rows = []
        for step in range(num_steps[0]):
            logits = judge(generator(z))
            row = {"step": step, "probability": logits.sigmoid().mean().item()}
            for name, saturating in (("saturating", True), ("non-saturating", False)):
                loss = logsigmoid(-logits).mean() if saturating else -logsigmoid(logits).mean()
                found = torch.autograd.grad(loss, list(generator.parameters()), retain_graph=True)
                row[name] = torch.stack([gradient.norm() for gradient in found]).norm().item()
            rows.append(row)
            optimizer = player.optimizers[0]
            optimizer.zero_grad()
            player.loss(torch.randint(len(x), (count,)))[0].backward()
            optimizer.step()
    return pd.DataFrame(rows)
