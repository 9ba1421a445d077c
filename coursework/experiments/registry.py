"""The experiments by name, and how a name, a profile and a few values become a validated config."""

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from coursework.errors import ConfigError

EXPERIMENTS = {
    "ad": "coursework.experiments.ad",
    "vad-normal": "coursework.experiments.vad",
    "vae": "coursework.experiments.vae",
    "evidence": "coursework.experiments.evidence",
    "missing-pixels": "coursework.experiments.missing_pixels",
    "starts": "coursework.experiments.starts",
    "classifier": "coursework.experiments.classifier",
    "depth": "coursework.experiments.depth",
    "disjoint": "coursework.experiments.disjoint",
    "remedies": "coursework.experiments.remedies",
    "shift": "coursework.experiments.shift",
    "order": "coursework.experiments.order",
    "translation": "coursework.experiments.translation",
    "depth-norm": "coursework.experiments.depth_norm",
    "flow": "coursework.experiments.flow",
    "nmt": "coursework.experiments.nmt",
    "gan": "coursework.experiments.gan",
    "ddpm": "coursework.experiments.ddpm",
    "mnist-vae": "coursework.experiments.mnist_vae",
}
"""Name → module with `Config` (frozen dataclass with `PROFILES`) and `build(config) -> Task`; imported on demand."""

PROFILES = ("fast", "cpu", "full")
"""Seconds, for tests; the whole report on a laptop; the report of record."""


def experiment_module(name: str) -> ModuleType:
    """The module of an experiment.

    Raises:
        ConfigError: no experiment has this name.
    """
    check_name("experiment", name, EXPERIMENTS)
    return importlib.import_module(EXPERIMENTS[name])


def configure(name: str, profile: str = "cpu", **overrides: Any) -> Any:
    """The config of an experiment: its defaults, what the profile changes, and `overrides`, validated together.

    A value of `None` in `overrides` leaves that field to the profile.

    Raises:
        ConfigError: an unknown experiment, profile or field (with the nearest known name), or a value of the
            wrong type or out of its range.

    >>> configure("ad", "fast", latent_dim=32).latent_dim
    32
    """
    check_name("profile", profile, PROFILES)
    cls = experiment_module(name).Config
    fields = [field.name for field in dataclasses.fields(cls)]
    for key in overrides:
        check_name("parameter", key, fields)
    given = {key: value for key, value in overrides.items() if value is not None}
    return validated(cls, {**cls.PROFILES[profile], **given})


def variation(config: Any, **changes: Any) -> Any:
    """`config` with some fields changed, validated as a whole.

    Raises:
        ConfigError: as `configure`.
    """
    return validated(type(config), {**dataclasses.asdict(config), **changes})


def validated(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `cls` from `values`, each checked strictly against its annotation.

    Raises:
        ConfigError: names the field, the value and what is allowed.
    """
    hints = get_type_hints(cls, include_extras=True)
    checked, problems = {}, []
    for name, value in values.items():
        check_name("parameter", name, [field.name for field in dataclasses.fields(cls)])
        try:
            checked[name] = TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            problems += [_sentence(name, value, problem["loc"], problem["msg"]) for problem in error.errors()]
    if problems:
        raise ConfigError("\n".join(problems))
    return cls(**checked)


def check_name(what: str, name: object, known: Iterable[str]) -> None:
    """Nothing, when `name` is one of `known`.

    Raises:
        ConfigError: with the nearest known name and the whole list.

    >>> check_name("profile", "ful", ["fast", "full"])
    Traceback (most recent call last):
    ...
    coursework.errors.ConfigError: unknown profile 'ful': did you mean 'full'? Known: fast, full.
    """
    known = list(known)
    if name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"unknown {what} {name!r}: {hint}Known: {', '.join(known)}.")


def _sentence(name: str, value: object, place: tuple[int | str, ...], message: str) -> str:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    where = f" (item {place[0]})" if place else ""
    return f"parameter {name} = {shown}{where}: {message[0].lower()}{message[1:]}."
