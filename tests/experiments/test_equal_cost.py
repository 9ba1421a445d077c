"""Equal cost: the multiplications that are claimed, counted while the real players and a real auto-encoder train."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from coursework.experiments import configure, mnist_vae
from coursework.experiments.equal_cost import equal_vae, game_multiplications, vae_multiplications, vae_samples
from coursework.models.gan import critic_player, discriminator_player, generator_player, normal_latents
from coursework.nets.adversarial import ImageGenerator, ImageJudge
from coursework.nets.pixel_nets import pixel_nets
from coursework.runs import run

BATCH = 8


class Products(TorchDispatchMode):
    """Multiplications of every matrix product that torch is really asked for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in ("mm", "addmm"):
            one, other = args[-2:]
            self.count += one.shape[0] * one.shape[1] * other.shape[1]
        return function(*args, **(kwargs or {}))


def counted(action):
    with Products() as products:
        action()
    return products.count / BATCH


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("game", ["non-saturating", "clipping", "penalty"])
def test_the_multiplications_of_a_game(game, every):
    config = configure("gan", "full", game=game, every=every)
    generator, judge = ImageGenerator(config.latent_dim, config.widths), ImageJudge(784, config.judge_widths)
    shared = (judge, generator, 2 * torch.rand(BATCH, 784) - 1, normal_latents(config.latent_dim))
    if game == "non-saturating":
        first = discriminator_player(*shared, rate=1e-3)
    else:
        first = critic_player(*shared, rate=1e-3, **({"clip": 0.1} if game == "clipping" else {"penalty": 1.0}))
    second = generator_player(generator, judge, shared[3], game="non-saturating", rate=1e-3)
    one, other = (counted(lambda p=p: p.loss(torch.arange(BATCH))[0].backward()) for p in (first, second))
    assert game_multiplications(config) == pytest.approx(one + other / every, rel=1e-3)


def test_the_multiplications_of_the_auto_encoder():
    nets = pixel_nets("mlp", 20, (28, 28))
    head = torch.nn.Linear(nets.num_features, 40)

    def step():
        raw = head(nets.features(torch.rand(BATCH, 28, 28)))
        nets.logits(raw[:, :20] + raw[:, 20:]).sum().backward()

    assert vae_multiplications() == pytest.approx(counted(step), rel=1e-3)


def test_the_auto_encoder_costs_what_the_game_costs():
    game = configure("gan", "full")
    vae = equal_vae(game, "full")
    spent = game.num_steps * game.batch_size * game_multiplications(game)
    per_epoch = game.num_train * vae_multiplications()
    assert abs(vae.epochs * per_epoch - spent) <= per_epoch / 2
    assert (vae.architecture, vae.binarisation, vae.latent_dim, vae.seed) == ("mlp", "grey", 20, game.seed)
    assert isinstance(vae, mnist_vae.Config)


def test_samples_are_the_decoders_means(runs_folder):
    config = configure(
        "mnist-vae", "fast", num_train=40, num_test=10, epochs=1, binarisation="grey", num_draws=2, num_draw_images=2
    )
    found = run(config)
    images = vae_samples(found, 5, seed=1)
    assert images.shape == (5, 28, 28)
    assert torch.equal(images, vae_samples(found, 5, seed=1))
    assert not torch.equal(images, vae_samples(found, 5, seed=2))
    average = images.float().mean(0)
    originals = found.arrays["originals"].mean(0).view(28, 28) * 255
    assert torch.corrcoef(torch.stack([average.flatten(), originals.flatten()]))[0, 1] > 0.5
