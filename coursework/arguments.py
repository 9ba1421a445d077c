"""From the words of a command line to validated values: of one parameter, of a run's config, of a sweep's axes."""

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from coursework.errors import ConfigError
from coursework.experiments.registry import EXPERIMENTS, PROFILES, configure, experiment_module, validated

_ODD_NUMBER = re.compile(r"[+-]?0\d+|\d+(_\d+)+")


def parse_value(name: str, text: str) -> int | float | bool | str | None:
    """A parameter's value from the command line: a plain number, true, false, none, or else the text itself.

    Raises:
        ConfigError: a number in an odd form (leading zeros, underscores), which is more often a slip than meant.

    >>> parse_value("latent_dim", "32"), parse_value("rate", "1e-3"), parse_value("family", "normal")
    (32, 0.001, 'normal')
    """
    if _ODD_NUMBER.fullmatch(text):
        raise ConfigError(f"parameter {name} = {text!r}: write the number without leading zeros and underscores.")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def run_config(arguments: list[str]) -> Any:
    """The config that `coursework run EXPERIMENT [--profile P] [--field VALUE …]` asks for.

    Raises:
        ConfigError: no experiment, a parameter given twice, a number in an odd form, whatever `configure` refuses.
        SystemExit: an option that the experiment does not have, or --help.

    >>> run_config(["ad", "--profile", "fast", "--latent-dim", "32"]).latent_dim
    32
    """
    import tyro

    parser = argparse.ArgumentParser(prog="coursework run", add_help=False)
    parser.add_argument("experiment", nargs="?", default="")
    parser.add_argument("--profile", default="cpu")
    chosen, rest = parser.parse_known_args(arguments)
    if not chosen.experiment:
        raise ConfigError(f"coursework run needs an experiment: {', '.join(EXPERIMENTS)}.")
    names = [text.partition("=")[0].replace("_", "-") for text in rest if text.startswith("--")]
    for text in rest:
        if not text.isprintable():
            raise ConfigError(f"{text!r}: a parameter has no control characters and no line ends.")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: a parameter is given twice; give each once.")
    base = configure(chosen.experiment, chosen.profile)
    for text in rest:
        if _ODD_NUMBER.fullmatch(text.rpartition("=")[2]):
            raise ConfigError(f"{text!r} is not a plain number: write it without leading zeros and underscores.")
    cls = experiment_module(chosen.experiment).Config
    config = tyro.cli(cls, default=base, args=rest, prog=f"coursework run {chosen.experiment} [--profile P]")
    return validated(cls, dataclasses.asdict(config))


def sweep_options(arguments: list[str]) -> argparse.Namespace:
    """What `coursework sweep EXPERIMENT [--field VALUE …]` asks for.

    Returns:
        `experiment`, `profile`, `axes` (field → values), `scheduler`, `workers`, `table`.

    Raises:
        ConfigError: an unknown experiment, fewer than one worker, a number in an odd form.
        SystemExit: an option that there is not, or --help.

    >>> sweep_options(["ad", "--latent-dim", "64", "128"]).axes
    {'latent_dim': [64, 128]}
    """
    parser = argparse.ArgumentParser(
        prog="coursework sweep",
        usage="coursework sweep EXPERIMENT [--FIELD VALUE …] [--profile P] [--scheduler S | --workers N] [--table T]",
        description="Run every combination of the given values, side by side, and write one table of the results.",
        epilog="Every field of the experiment is an option that takes one or more values; the items of a value that "
        "has several are joined by commas: --widths 512 256,512. Whatever is finished already is found, not run again.",
        allow_abbrev=False,
    )
    parser.add_argument("experiment", help=" | ".join(EXPERIMENTS))
    parser.add_argument("--profile", default="cpu", help=f"{' | '.join(PROFILES)}; default cpu")
    parser.add_argument("--scheduler", help="address or scheduler file of a running Dask cluster; default this machine")
    parser.add_argument("--workers", type=int, help="processes on this machine; default as cores and memory allow")
    parser.add_argument("--table", type=Path, metavar="FILE", help="the CSV to write; default in the folder of runs")
    several: dict[str, bool] = {}  # field → whether its value has several items
    if arguments and not arguments[0].startswith("-"):
        cls = experiment_module(arguments[0]).Config
        hints = get_type_hints(cls)
        several = {field.name: get_origin(hints[field.name]) is tuple for field in dataclasses.fields(cls)}
        for name in several:
            parser.add_argument(f"--{name.replace('_', '-')}", nargs="+", dest=f"axis {name}", metavar="VALUE")
    options = parser.parse_args(arguments)
    if options.workers is not None and options.workers < 1:
        raise ConfigError(f"workers = {options.workers}: at least 1.")
    given = {name: values for name in several if (values := getattr(options, f"axis {name}")) is not None}
    options.axes = {
        name: [
            tuple(parse_value(name, item) for item in text.split(",")) if several[name] else parse_value(name, text)
            for text in texts
        ]
        for name, texts in given.items()
    }
    return options
