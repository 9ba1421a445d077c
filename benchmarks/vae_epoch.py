"""An epoch of one variational auto-encoder, 784-512-256-20 in batches of 128: ours beside other ways to train it.

All start from the same weights and see the same images; their bounds on held-out images tell whether they end up
equal. The floor is what the step's matrix products cost alone. pythae and Lightning take part where installed, best
in an environment of their own: `pip install --no-deps pythae pytorch-lightning` needs nothing else beside ours.
"""

import argparse
import contextlib
import copy
import importlib.util
import io
import logging
import math
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _measure import Seconds, cpu_seconds, interleaved, ratio, write
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from coursework.conditionals import BernoulliDecoder, Encoder
from coursework.data import load
from coursework.distributions.families import FAMILIES, standard_normal
from coursework.models.vae import vae_player
from coursework.nets.mlp import MLP
from coursework.training import precision
from coursework.training.device import device_name
from coursework.training.loop import constant, fit, index_batches
from coursework.training.precision import in_bfloat16
from coursework.training.task import Task

LATENT_DIM, BATCH_SIZE, RATE = 20, 128, 1e-3
LAYERS = [(784, 512), (512, 256), (256, 2 * LATENT_DIM), (LATENT_DIM, 256), (256, 512), (512, 784)]
Bound = Callable[[Tensor], float]


class Nets(nn.Module):
    """The three nets that every contender is made of; `head` gives locations and logarithms of scales."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(MLP([784, 512, 256], nn.ReLU), nn.ReLU())
        self.head = nn.Linear(256, 2 * LATENT_DIM)
        self.logits = MLP([LATENT_DIM, 256, 512, 784], nn.ReLU)
        with torch.no_grad():
            self.head.bias[LATENT_DIM:] = math.log(0.1)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Location and logarithm of the scale of q(z|x)."""
        loc, log_scale = self.head(self.trunk(x)).chunk(2, 1)
        return loc, log_scale

    def loss(self, x: Tensor) -> Tensor:
        """As most example code writes it: a sum over the batch's pixels and latents, by the batch size."""
        loc, log_scale = self.encode(x)
        z = loc + log_scale.exp() * torch.randn_like(loc)
        missing = F.binary_cross_entropy(torch.sigmoid(self.logits(z)), x, reduction="sum")
        divergence = -0.5 * torch.sum(1 + 2 * log_scale - loc.pow(2) - (2 * log_scale).exp())
        return (missing + divergence) / len(x)

    def bound(self, x: Tensor) -> float:
        """Minus the bound of held-out images, in nats."""
        return minus_bound(*self.encode(x), self.logits, x)


@torch.no_grad()
def minus_bound(loc: Tensor, log_scale: Tensor, logits: nn.Module, x: Tensor) -> float:
    """Minus the mean bound, ten draws per image from one stream for all contenders."""
    generator = torch.Generator().manual_seed(0)
    missing = torch.zeros(len(x))
    for _ in range(10):
        z = loc + log_scale.exp() * torch.randn(loc.shape, generator=generator)
        missing += F.binary_cross_entropy_with_logits(logits(z), x, reduction="none").sum(1) / 10
    divergence = -0.5 * (1 + 2 * log_scale - loc.pow(2) - (2 * log_scale).exp()).sum(1)
    return (missing + divergence).mean().item()


class Pictures(Dataset):
    """Images as torchvision hands them out: a picture, made a tensor one by one."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        return to_tensor(Image.fromarray(self.images[i].numpy(), mode="L"))


def ours(nets: Nets, images: Tensor, seed: int, *, half: bool = False, compiled: bool = False) -> tuple[Seconds, Bound]:
    """The package's own objects and loop; images stay bytes and are gathered by row number."""
    family = FAMILIES["normal"]
    encoder = Encoder(nets.trunk, 256, LATENT_DIM, family)
    with torch.no_grad():
        encoder.head.weight.copy_(nets.head.weight)
        encoder.head.bias[:LATENT_DIM] = nets.head.bias[:LATENT_DIM]
        encoder.head.bias[LATENT_DIM:] = family.raw(0.0, 0.1)[1]
    decoder = BernoulliDecoder(nets.logits)
    rates = {"rate": RATE, "encoder_rate": RATE, "betas": (0.9, 0.999), "schedule": constant}
    player = vae_player(encoder, decoder, standard_normal(LATENT_DIM), images, beta=1.0, **rates)
    batches = index_batches(len(images), BATCH_SIZE, seed)
    task = Task({"encoder": encoder, "decoder": decoder}, {"vae": player}, batches, 0, lambda: ({}, {}))
    if half:
        task = in_bfloat16(task, torch.device("cpu"))
    if compiled:
        task = precision.compiled(task)
        for size in {min(BATCH_SIZE, len(images)), len(images) % BATCH_SIZE} - {0}:  # compiled before the clock starts
            with torch.random.fork_rng():
                task.players["vae"].loss(torch.arange(size))[0].backward()
    per_epoch = math.ceil(len(images) / BATCH_SIZE)
    done = 0

    def epoch() -> float:
        nonlocal done
        began = time.process_time()
        fit(task.players, batches, done + per_epoch, start=done)
        done += per_epoch
        return time.process_time() - began

    def bound(x: Tensor) -> float:
        with torch.no_grad():
            law = encoder(x).base_dist
            return minus_bound(law.loc, law.scale.log(), nets.logits, x)

    return epoch, bound


def plain_loop(nets: Nets, images: Tensor, seed: int) -> tuple[Seconds, Bound]:
    """A DataLoader of pictures, default Adam, the loss printed every now and then: the usual example."""
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(Pictures(images.view(-1, 28, 28)), BATCH_SIZE, shuffle=True, generator=generator)
    optimizer = torch.optim.Adam(nets.parameters(), lr=RATE)

    def epoch() -> None:
        total = 0.0
        for x in loader:
            optimizer.zero_grad()
            loss = nets.loss(x.flatten(1))
            loss.backward()
            total += loss.item()
            optimizer.step()

    return lambda: cpu_seconds(epoch), nets.bound


def lightning(nets: Nets, images: Tensor, seed: int) -> tuple[Seconds, Bound]:
    """Lightning's trainer on the same DataLoader; its start-up is left out of the time."""
    import pytorch_lightning as pl

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.nets = nets
            self.adam = torch.optim.Adam(nets.parameters(), lr=RATE)
            self.seconds = 0.0

        def training_step(self, x: Tensor, _: int) -> Tensor:
            loss = self.nets.loss(x.flatten(1))
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.adam  # one for all epochs

        def on_train_epoch_start(self) -> None:
            self.seconds = -time.process_time()

        def on_train_epoch_end(self) -> None:
            self.seconds += time.process_time()

    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(Pictures(images.view(-1, 28, 28)), BATCH_SIZE, shuffle=True, generator=generator)
    module = Module()
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}

    def epoch() -> float:
        pl.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **silent).fit(module, loader)
        return module.seconds

    return epoch, nets.bound


def pythae(nets: Nets, images: Tensor, seed: int) -> tuple[Seconds, Bound]:
    """The VAE and the trainer of pythae, one call of its `train_step` an epoch, on images made floats beforehand."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class PythaeEncoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = nets.trunk, nets.head

        def forward(self, x: Tensor) -> ModelOutput:
            loc, log_scale = self.head(self.trunk(x)).chunk(2, 1)
            return ModelOutput(embedding=loc, log_covariance=2 * log_scale)

    class PythaeDecoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nets.logits

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.logits(z)))

    logging.getLogger("pythae").setLevel(logging.ERROR)
    config = VAEConfig(input_dim=(784,), latent_dim=LATENT_DIM, reconstruction_loss="bce")
    model = VAE(config, encoder=PythaeEncoder(), decoder=PythaeDecoder())
    options = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=RATE,
        no_cuda=True,
        seed=seed,
    )
    trainer = BaseTrainer(model, BaseDataset(images / 255, torch.zeros(len(images))), training_config=options)
    trainer.prepare_training()
    done = 0

    def epoch() -> None:
        nonlocal done
        done += 1
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            trainer.train_step(done)

    return lambda: cpu_seconds(epoch), nets.bound


def products(dtype: torch.dtype, num_images: int) -> Seconds:
    """The matrix products of an epoch and nothing else: forwards, by the weights, by the inputs."""
    triples = [
        (
            torch.randn(BATCH_SIZE, n, dtype=dtype),
            torch.randn(m, n, dtype=dtype),
            torch.randn(BATCH_SIZE, m, dtype=dtype),
        )
        for n, m in LAYERS
    ]

    def work() -> None:
        for _ in range(math.ceil(num_images / BATCH_SIZE)):
            for layer, (x, weight, grad) in enumerate(triples):
                x @ weight.T
                grad.T @ x
                if layer:
                    grad @ weight

    return lambda: cpu_seconds(work)


def all_cpu_seconds() -> float:
    """Process CPU time, and that of processes it started and waited for, such as compilers."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def gap(first: list[float], second: list[float]) -> dict[str, float]:
    """Mean difference over seeds, and its standard error as if the two were independent."""
    spread = [statistics.variance(values) / len(values) if len(values) > 1 else math.nan for values in (first, second)]
    return {"mean": statistics.mean(first) - statistics.mean(second), "standard_error": math.sqrt(sum(spread))}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60_000, help="of an epoch; times are scaled to 60,000")
    parser.add_argument("--epochs", type=int, default=5, help="per seed, each a round")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true", help="also in half precision, for processors made for it")
    parser.add_argument("--compile", action="store_true", help="also with a compiled loss; compiling is left out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|pythae|PIL")
    warnings.filterwarnings("ignore", message="'mode' parameter is deprecated")
    images = load("fashion-mnist", "train", n=options.images).images.flatten(1)
    held_out = load("fashion-mnist", "test", n=2000).images.flatten(1) / 255
    makers = {"ours": ours, "DataLoader loop": plain_loop}
    if options.bfloat16:
        makers["ours, bfloat16"] = lambda *given: ours(*given, half=True)
    if options.compile:
        makers["ours, compiled"] = lambda *given: ours(*given, compiled=True)
    if options.bfloat16 and options.compile:
        makers["ours, both"] = lambda *given: ours(*given, half=True, compiled=True)
    absent = []
    for name, maker, package in (("Lightning", lightning, "pytorch_lightning"), ("pythae", pythae, "pythae")):
        if importlib.util.find_spec(package):
            makers[name] = maker
        else:
            absent.append(name)
    times: dict[str, list[float]] = {}
    bounds: dict[str, list[float]] = {name: [] for name in makers}
    preparing: dict[str, float] = {}
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        start = Nets()
        made = {}
        for name, maker in makers.items():
            before = all_cpu_seconds()
            made[name] = maker(copy.deepcopy(start), images, seed)
            preparing.setdefault(name, all_cpu_seconds() - before)
        cases: dict[str, Seconds] = {name: epoch for name, (epoch, _) in made.items()}
        cases["products, float32"] = products(torch.float32, len(images))
        if options.bfloat16:
            cases["products, bfloat16"] = products(torch.bfloat16, len(images))
        for name, values in interleaved(cases, options.epochs, seed).items():
            times.setdefault(name, []).extend(60_000 / len(images) * value for value in values)
        for name, (_, bound) in made.items():
            bounds[name].append(bound(held_out))

    compiling = {name: preparing[name] for name in ("ours, compiled", "ours, both") if name in makers}
    gaps = {name: gap(bounds["ours"], values) for name, values in bounds.items() if name != "ours"}
    print(
        f"CPU seconds per 60,000 images, one thread of {device_name()}, median and least of {len(times['ours'])} "
        f"rounds; minus the bound after {options.epochs} epochs of {len(images)} images, mean of {options.seeds} "
        "seeds, and ours less theirs with its standard error"
    )
    print(f"{'':20}{'median':>10}{'least':>10}{'ours / it':>12}{'-bound':>10}{'ours less it':>18}")
    for name, values in times.items():
        cells = f"{statistics.median(values):10.2f}{min(values):10.2f}{ratio(times, 'ours', name):12.2f}"
        if name in bounds:
            cells += f"{statistics.mean(bounds[name]):10.2f}"
        if name in gaps:
            cells += f"{gaps[name]['mean']:+10.2f} ± {gaps[name]['standard_error']:.2f}"
        print(f"{name:20}{cells}")
    if absent:
        print(f"not installed: {', '.join(absent)}")
    for name, seconds in compiling.items():
        print(f"compiling {name} took {seconds:.1f} CPU seconds, once")
    ratios = {
        f"{case} / {other}": ratio(times, case, other)
        for case in times
        if case.startswith("ours")
        for other in times
        if other != case
    }
    write(
        "vae_epoch",
        {
            "images": len(images),
            "epochs": options.epochs,
            "seeds": options.seeds,
            "seconds": times,
            "compiling": compiling,
            "ratios": ratios,
            "minus_bound": bounds,
            "minus_bound_ours_less": gaps,
        },
    )


if __name__ == "__main__":
    main()
