"""A normalising flow on images: bits per dimension, epoch by epoch and on test images, and draws."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from coursework.data import load
from coursework.data.images import train_and_held_out
from coursework.distributions.pixels import PixelLogit, PixelQuantile
from coursework.models.dequantisation import UniformDequantiser, VariationalDequantiser
from coursework.models.flow import Flow
from coursework.models.image_flows import conv_flow, dense_flow, level_flow
from coursework.nets.gated import GatedConvNet
from coursework.nets.mlp import MLP
from coursework.objectives import Terms
from coursework.objectives.bits import flow_loss, tightened_bits
from coursework.runs import Run
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

_STARTING = 2000
"""Images that start the activation normalisations."""

_DRAWN = 500
"""Images drawn for the cost of drawing."""

Width = Annotated[int, Interval(ge=1, le=65_536)]


@dataclass(frozen=True)
class Config:
    """Data, flow, noise and training.

    Attributes:
        dataset: images by name.
        num_train: training images: the first rows of the training file.
        num_validation: the rows after them, for the curve and for every choice.
        num_test: test images for the final number, the first ones.
        kind: `dense`, affine couplings of MLPs; `conv`, of convolutions, on two scales; or `levels`, convolutional
            couplings through the law of a pixel's grey levels given others, from coarse to fine.
        pixels: how grey levels get to the whole line: `logit`, or `quantile`, through each pixel's own histogram; no
            part of `levels`, whose couplings do it.
        alpha: of the logit: how far the ends of the range are moved in.
        smoothing: of the quantiles: images' worth of an even histogram added to every pixel's.
        noise: of the dequantisation: `uniform`, or `variational`, from a net of the image.
        num_couplings: of the dense flow.
        widths: hidden widths of MLPs.
        scale_couplings: of `conv`, on the fine scale and on the coarse one.
        channels: features of convolutional nets, on the two scales.
        blocks: gated blocks in each of them.
        num_laws: laws over grey levels that `levels` mixes for a pixel.
        epochs: passes over the training images.
        batch_size: images a step.
        rate: largest step size of Adam.
        warm_fraction: part of the training over which the rate rises, before it falls along a half cosine.
        num_curve: validation images for the curve, once an epoch.
        num_draws: draws of the noise per test image.
        seed: of the weights, the noise and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["mnist", "fashion-mnist", "mnist-5k", "digits"] = "mnist"
    num_train: Annotated[int, Interval(ge=2, le=60_000)] = 50_000
    num_validation: Annotated[int, Interval(ge=1, le=60_000)] = 10_000
    num_test: Annotated[int, Interval(ge=1, le=10_000)] = 10_000
    kind: Literal["dense", "conv", "levels"] = "dense"
    pixels: Literal["logit", "quantile"] = "quantile"
    alpha: Annotated[float, Interval(ge=1e-6, lt=1)] = 1e-5
    smoothing: Annotated[float, Interval(ge=1e-6, le=1e6)] = 30.0
    noise: Literal["uniform", "variational"] = "uniform"
    num_couplings: Annotated[int, Interval(ge=0, le=100)] = 4
    widths: Annotated[tuple[Width, ...], Len(1, 16)] = (256,)
    scale_couplings: tuple[Annotated[int, Interval(ge=0, le=100)], Annotated[int, Interval(ge=0, le=100)]] = (4, 4)
    channels: tuple[Width, Width] = (16, 32)
    blocks: Annotated[int, Interval(ge=0, le=20)] = 1
    num_laws: Annotated[int, Interval(ge=2, le=256)] = 16
    epochs: Annotated[int, Interval(ge=1, le=1000)] = 40
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 128
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    warm_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.03
    num_curve: Annotated[int, Interval(ge=1, le=10_000)] = 1000
    num_draws: Annotated[int, Interval(ge=1, le=1000)] = 4
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "dataset": "mnist-5k",
            "num_train": 1000,
            "num_validation": 200,
            "num_test": 200,
            "num_couplings": 4,
            "widths": (64,),
            "channels": (8, 8),
            "scale_couplings": (2, 2),
            "epochs": 2,
            "num_curve": 100,
            "num_draws": 2,
        },
        "cpu": {
            "dataset": "mnist-5k",
            "num_train": 3500,
            "num_validation": 500,
            "num_test": 1000,
            "num_couplings": 4,
            "widths": (128,),
            "epochs": 10,
            "num_curve": 250,
            "num_draws": 2,
        },
        "full": {},
    }


class Curve(nn.Module):
    """Validation bits/dim at the start of every epoch and at the end; a module, so that a resumed run keeps them."""

    values: Tensor

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(epochs + 1))


def build(config: Config) -> Task:
    """The flow, ready to train.

    Metrics in bits/dim: `train_bits` (on the first training images), `validation_bits`, `test_bits`, all the bound with
    one draw of noise at a time; `test_bits_tight`, over `num_draws` draws; `image_error`, the standard error of
    `test_bits` over images. `draw_seconds` is CPU time per 1,000 images drawn.

    Raises:
        ConfigError: training and validation images are more than the file has.
        DataError, DeviceError: the images or the device are absent.
    """
    device = resolve_device(config.device)
    train, validation, test, payload = _images(config)
    images = train.to(device)
    flow = _flow(config, train).to(device)
    dequantiser = _dequantiser(config, (train.shape[1], train.shape[2])).to(device)
    curve = Curve(config.epochs)
    with torch.no_grad():
        flow.start_from(UniformDequantiser()(images[:_STARTING])[0])
    num_epoch = math.ceil(len(images) / config.batch_size)
    num_steps = config.epochs * num_epoch

    def bits(held: UInt8[Tensor, "image height width"], num_draws: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(device).manual_seed(config.seed)
        return tightened_bits(flow, dequantiser, held.to(device), num_draws, generator)

    def record(step: int) -> None:
        if step % num_epoch == 0:
            curve.values[step // num_epoch] = bits(validation[: config.num_curve], 1)[0].mean()

    def loss(index: Int[Tensor, " batch"]) -> tuple[Tensor, Terms]:
        return flow_loss(flow, dequantiser, images[index])

    def evaluate() -> tuple[Metrics, Arrays]:
        bound, tight = bits(test, config.num_draws)
        seeds = torch.Generator().manual_seed(config.seed)
        began = time.process_time()
        samples = flow.sample(_DRAWN, generator=seeds)
        spent = time.process_time() - began
        metrics: Metrics = {
            "train_bits": bits(train[: len(validation)], 1)[0].mean().item(),
            "validation_bits": bits(validation, 1)[0].mean().item(),
            "test_bits": bound.mean().item(),
            "test_bits_tight": tight.mean().item(),
            "image_error": bound.std().item() / math.sqrt(len(bound)),
            "draw_seconds": spent * 1000 / _DRAWN,
            "num_weights": sum(p.numel() for part in (flow, dequantiser) for p in part.parameters()),
        }
        return metrics, {"curve": curve.values, "samples": samples[:100].byte(), "test_bits": bound.float()}

    weights = [*flow.parameters(), *dequantiser.parameters()]
    player = Player(
        loss,
        [torch.optim.Adam(weights, lr=config.rate, fused=True)],
        schedules=[lambda step: warm_half_cosine(step, num_steps, config.warm_fraction)],
        before_step=record,
    )
    return Task(
        modules={"flow": flow, "dequantiser": dequantiser, "curve": curve},
        players={"flow": player},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        finish=lambda: record(num_steps),
        payload=payload,
    )


def trained_flow(run: Run) -> tuple[Flow, nn.Module]:
    """The flow and the dequantiser of a finished run, on the CPU, in evaluation mode."""
    modules = run.modules()
    flow, dequantiser = modules["flow"], modules["dequantiser"]
    assert isinstance(flow, Flow)
    return flow.requires_grad_(False), dequantiser.requires_grad_(False)


def _flow(config: Config, train: UInt8[Tensor, "image height width"]) -> Flow:
    shape = (train.shape[1], train.shape[2])
    nets: Any = {"channels": config.channels, "blocks": config.blocks}
    if config.kind == "levels":
        return level_flow(train, **nets, widths=config.widths, num_laws=config.num_laws)
    makers: dict[str, Callable[[], nn.Module]] = {
        "logit": lambda: PixelLogit(config.alpha),
        "quantile": lambda: PixelQuantile(train, config.smoothing),
    }
    pixels = makers[config.pixels]()
    if config.kind == "conv":
        return conv_flow(shape, pixels, num_couplings=config.scale_couplings, **nets)
    generator = torch.Generator().manual_seed(config.seed)
    return dense_flow(shape, pixels, num_couplings=config.num_couplings, widths=config.widths, generator=generator)


def _dequantiser(config: Config, shape: tuple[int, int]) -> nn.Module:
    if config.noise == "uniform":
        return UniformDequantiser()
    if config.kind != "dense":
        return VariationalDequantiser(GatedConvNet(1, 2, config.channels[0], 0, shape), flat=False)
    num_pixels = shape[0] * shape[1]
    net = MLP([num_pixels, *config.widths, 2 * num_pixels], nn.ReLU)
    for parameter in net[-1].parameters():
        nn.init.zeros_(parameter)
    return VariationalDequantiser(net, flat=True)


def _images(config: Config) -> tuple[Tensor, Tensor, Tensor, dict[str, str]]:
    """Training, validation and test images, and the hashes of their files."""
    train, validation, payload = train_and_held_out(
        config.dataset, config.num_train, config.num_validation, "validation", parameter="num_validation"
    )
    test = load(config.dataset, "test", n=config.num_test)
    return train, validation, test.images, {**payload, **test.payload}
