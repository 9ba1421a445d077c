"""What a finished run has learned, read from its folder without rebuilding its data and tables."""

from safetensors import safe_open
from torch.distributions import Distribution

from coursework.conditionals import GaussianDecoder
from coursework.distributions.families import FAMILIES, Family
from coursework.experiments import ad
from coursework.runs import Run


def run_family(run: Run) -> Family:
    """Law of the run's posteriors: of an auto-decoder's, point masses."""
    return FAMILIES[getattr(run.config, "family", "delta")]


def trained_decoder(run: Run) -> GaussianDecoder:
    """The decoder of an auto-decoder or of a variational one, as it was scored."""
    height, width = run.arrays["train_reconstructions"].shape[1:]
    net = ad._decoder(run.config, (height, width))
    decoder = ad.LIKELIHOODS[run.config.likelihood](net, getattr(run.config, "scale", 1.0))
    with safe_open(run.path / "model.safetensors", "pt") as weights:
        own = [name for name in weights.keys() if name.startswith("decoder/")]  # noqa: SIM118 (not a dict)
        decoder.load_state_dict({name.removeprefix("decoder/"): weights.get_tensor(name) for name in own})
    net.leak = run.config.leak_end
    return decoder.eval().requires_grad_(False)


def training_posteriors(run: Run) -> Distribution:
    """The posteriors of the training images themselves, in order, without those of their altered copies."""
    with safe_open(run.path / "model.safetensors", "pt") as weights:
        raw = weights.get_slice("table/raw")[: run.config.num_train]
    return run_family(run)(raw)
