"""The variational auto-encoder beside the auto-decoders: same decoder, data and budget, posteriors from an encoder."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

import torch
from annotated_types import Interval
from safetensors.torch import load_file

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.data.augment import augment
from coursework.distributions.families import FAMILIES
from coursework.experiments import ad, vad
from coursework.inference import decode, infer_latents, settle
from coursework.metrics.reconstruction import reconstruction_scores
from coursework.models.vae import encoder_table, start_from_table, vae_player
from coursework.nets.encoders import ConvEncoder
from coursework.runs import Run
from coursework.training.device import resolve_device
from coursework.training.loop import index_batches
from coursework.training.schedules import geometric, warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

_SETTLE_STEPS = 40
"""Steps of the table that the encoder's linear part starts from; an auto-decoder's latents get as many."""

_AnyConfig = TypeVar("_AnyConfig")


@dataclass(frozen=True)
class Config(vad.Config):
    """As the variational auto-decoder's but for what belongs to a table: an encoder stands in its place.

    Attributes:
        encoder_channels: of the encoder's first convolution; the second has twice as many.
        encoder_hidden: units of its hidden layer.
        encoder_rate: largest step size of the encoder.
        start: `pca` puts the decoder's linear part on the principal components and the encoder's on the projection
            that goes with them, `random` does neither.
        test_steps: Adam steps that refine the encoder's posteriors of held-out images, the decoder frozen.
        seed: of the weights, the altered versions and the order.
    """

    encoder_channels: Annotated[int, Interval(ge=1, le=4096)] = 16
    encoder_hidden: Annotated[int, Interval(ge=1, le=65_536)] = 128
    encoder_rate: Annotated[float, Interval(gt=0, le=1)] = 3e-3
    # Not fields: nobody can set what an encoder has no use for.
    latent_rate: ClassVar[float] = math.nan  # type: ignore[misc]
    table_mode: ClassVar[str] = "none"  # type: ignore[misc]
    init_scale: ClassVar[float] = 0.0  # type: ignore[misc]
    settle_steps: ClassVar[int] = 0  # type: ignore[misc]

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = vad.Config.PROFILES


def counterpart(config: Any, cls: type[_AnyConfig], **changes: Any) -> _AnyConfig:
    """The config of another class with every setting it shares with `config`, and `changes`.

    >>> counterpart(vad.Config(latent_dim=16), Config).latent_dim
    16
    """
    shared = [field.name for field in dataclasses.fields(cls) if hasattr(config, field.name)]  # type: ignore[arg-type]
    return cls(**{name: getattr(config, name) for name in shared} | changes)


def new_encoder(config: Config, shape: tuple[int, int]) -> Encoder:
    """The encoder with random weights."""
    net = ConvEncoder(config.encoder_channels, config.encoder_hidden, shape)
    return Encoder(net, net.num_features, config.latent_dim, FAMILIES[config.family])


def trained_encoder(finished: Run) -> Encoder:
    """The encoder of a finished run."""
    height, width = finished.arrays["train_reconstructions"].shape[1:]
    encoder = new_encoder(finished.config, (height, width))
    weights = load_file(finished.path / "model.safetensors").items()
    encoder.load_state_dict({k.removeprefix("encoder/"): v for k, v in weights if k.startswith("encoder/")})
    return encoder.eval().requires_grad_(False)


def build(config: Config) -> Task:
    """The variational auto-encoder, ready to train.

    Its first draws are the auto-decoder's, so both see the same altered versions and start from the same decoder. The
    evaluation scores held-out images twice: `test_…` decodes the locations of the encoder's posteriors, `refined_…`
    those of the posteriors after `test_steps` gradient steps of their own, which is how an auto-decoder is scored.

    Raises:
        ConfigError, DataError, DeviceError: as the auto-decoder's.
    """
    ad._check_parts(config)
    device = resolve_device(config.device)
    family = FAMILIES[config.family]
    generator = torch.Generator().manual_seed(config.seed)
    train, held_out, payload = ad.images_of(config)
    images = augment(train, config.copies, generator, strength=config.strength).to(device)
    prior = family.prior(config.latent_dim, device=device)
    shape = (train.shape[1], train.shape[2])
    net = ad._decoder(config, shape)
    encoder = new_encoder(config, shape).to(device)
    decoder = GaussianDecoder(net, config.scale).to(device)
    if config.start == "pca":
        net.start_from((train / 255).to(device), mean=prior.mean.mean().item(), spread=prior.stddev.mean().item())
    if config.start == "pca" and config.linear:
        x = images / 255
        table = LatentTable(len(x), config.latent_dim, family, generator=generator).to(device)
        table = settle(decoder, x, table, beta=config.beta, num_steps=_SETTLE_STEPS)
        start_from_table(encoder, x, table)
    num_steps = config.epochs * math.ceil(len(images) / config.batch_size)

    def set_leak(step: int) -> None:
        net.leak = geometric(step, num_steps, config.leak, config.leak_end, ad._LEAK_FRACTION)

    player = vae_player(
        encoder,
        decoder,
        prior,
        images,
        beta=config.beta,
        rate=config.rate,
        encoder_rate=config.encoder_rate,
        betas=ad._BETAS,
        schedule=lambda step: warm_half_cosine(step, num_steps, config.warm_fraction),
        before_step=set_leak,
    )

    def evaluate() -> tuple[Metrics, Arrays]:
        net.leak = config.leak_end
        encoded = {
            split: encoder_table(encoder, (originals / 255).to(device), config.latent_dim)
            for split, originals in (("train", train), ("test", held_out))
        }
        refined = infer_latents(
            decoder,
            (held_out / 255).to(device),
            family,
            config.latent_dim,
            beta=config.beta,
            num_steps=config.test_steps,
            lr=config.test_rate,
            start=encoded["test"],
        )
        metrics: Metrics = {}
        arrays: Arrays = {}
        for split, table in (*encoded.items(), ("refined", refined)):
            latents, originals = table.locations(), train if split == "train" else held_out
            decoded = 255 * decode(decoder, latents).cpu().clamp(0, 1)
            metrics |= {f"{split}_{name}": value for name, value in reconstruction_scores(originals, decoded).items()}
            arrays |= {f"{split}_latents": latents.cpu(), f"{split}_reconstructions": decoded[: ad._KEPT]}
        return metrics, arrays

    return Task(
        modules={"decoder": decoder, "encoder": encoder},
        players={"vae": player},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        payload=payload,
    )
