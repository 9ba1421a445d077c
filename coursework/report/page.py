"""How a notebook begins: its parameters checked before anything else happens, its profile and seed at hand."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from IPython.display import Markdown

from coursework.errors import ConfigError
from coursework.experiments.registry import PROFILES, check_name, configure, experiment_module, variation
from coursework.provenance import PACKAGE, source_hashes, versions
from coursework.training.device import device_name

PROFILE_VARIABLE = "COURSEWORK_PROFILE"
"""Environment variable that overrides every page's profile: tests run the pages of record in profile fast."""

_LARGEST_SEED = 2**31 - 1
_INTERACTIVE = {"In", "Out", "exit", "quit", "open", "get_ipython"}


@dataclasses.dataclass(frozen=True)
class Page:
    """A running page: profile, seed, the config of its experiment if it has one, and the code it stands on."""

    profile: str
    seed: int
    config: Any
    namespace: Mapping[str, Any] = dataclasses.field(repr=False)
    experiment: str | None = None
    num_seeds: int = 3

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the headline numbers: `num_seeds` in profile full, one elsewhere."""
        return tuple(range(self.seed, self.seed + (self.num_seeds if self.profile == "full" else 1)))

    def vary(self, **changes: Any) -> Any:
        """The page's config with `changes`, validated as a whole.

        Raises:
            ConfigError: a changed field is unknown or its value is not allowed.
        """
        return variation(self.config, **changes)

    def short(self, **changes: Any) -> Any:
        """The page's config at a quarter of its epochs and held-out images, for comparisons of many settings.

        Raises:
            ConfigError: as `vary`.
        """
        quarter = {name: max(1, getattr(self.config, name) // 4) for name in ("epochs", "num_test")}
        return self.vary(**quarter | changes)

    def provenance(self) -> Markdown:
        """A line for the page: profile, seeds, device, torch's version, and a hash of the sources behind it."""
        first, last = self.seeds[0], self.seeds[-1]
        seeds = f"seed {first}" if first == last else f"seeds {first} to {last}"
        digest = hashlib.sha256(repr(sorted(source_hashes(self._modules()).items())).encode()).hexdigest()[:12]
        note = "" if self.profile == "full" else " Shorter runs than the report of record, which is profile full."
        return Markdown(
            f"Profile **{self.profile}**, {seeds}, on {device_name()}, torch {versions()['torch']}, "
            f"sources `{digest}`.{note}"
        )

    def _modules(self) -> set[str]:
        """Modules of this package the notebook has imported from by now, and its experiment's."""
        values = [value for name, value in self.namespace.items() if not name.startswith("_")]
        found = {
            value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in values
        }
        own = {name for name in found if name and name.startswith(f"{PACKAGE}.") and not name.startswith(__package__)}
        return own | ({experiment_module(self.experiment).__name__} if self.experiment else set())


def begin(namespace: Mapping[str, Any], experiment: str | None = None, *, num_seeds: int = 3) -> Page:
    """The page that runs in `namespace`, its parameters checked.

    Every public variable defined so far is taken for a parameter (papermill injects what it is given, unknown names
    and all): call this in the cell after the parameters.

    Args:
        namespace: the notebook's `globals()`.
        experiment: a name in `EXPERIMENTS` whose config the parameters fill, or None for a page without one.
        num_seeds: of the headline numbers in profile full.

    Raises:
        ConfigError: an unknown parameter, or a value that is not allowed.
    """
    parameters = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in _INTERACTIVE
        and not isinstance(value, ModuleType)
        and not callable(value)
    }
    config = validate(experiment, parameters)
    profile = _profile(parameters)
    return Page(profile, parameters["seed"], config, namespace, experiment, num_seeds)


def validate(experiment: str | None, parameters: Mapping[str, Any]) -> Any:
    """The config that `parameters` describe, None for a page without an experiment. Starts nothing.

    Raises:
        ConfigError: an unknown parameter, or a value that is not allowed.
    """
    values = dict(parameters)
    profile = _profile(values)
    values.pop("profile", None)
    if experiment is not None:
        return configure(experiment, profile, **values)
    for name in values:
        check_name("parameter", name, ["profile", "seed"])
    seed = values.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
        raise ConfigError(f"parameter seed = {seed!r}: give a whole number from 0 to {_LARGEST_SEED}.")
    return None


def _profile(parameters: Mapping[str, Any]) -> str:
    profile = os.environ.get(PROFILE_VARIABLE) or parameters.get("profile", "cpu")
    check_name("profile", profile, PROFILES)
    return profile
