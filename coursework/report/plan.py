"""What has to run again, and why: executed notebooks held against the sources they came from."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from coursework.errors import ConfigError
from coursework.experiments.registry import PROFILES, check_name
from coursework.provenance import versions
from coursework.report import notebook
from coursework.report.sources import Source


@dataclasses.dataclass(frozen=True)
class Task:
    """What a page needs: its execution with `parameters`, or nothing but its prose if `reasons` is empty.

    `executed` is the notebook whose outputs still hold, None if there is none.
    """

    source: Source
    profile: str
    parameters: dict[str, Any]
    reasons: tuple[str, ...]
    executed: NotebookNode | None

    @property
    def fresh(self) -> bool:
        """True if no cell has to run."""
        return not self.reasons


def plan(
    sources: Sequence[Source], profile: str, folders: Sequence[Path], given: Mapping[str, Any] | None = None
) -> list[Task]:
    """A task for each page; the first of `folders` whose executed notebook still holds supplies the outputs.

    Args:
        sources: the pages.
        profile: of all of them.
        folders: where executed notebooks may lie, as `<page>.ipynb`.
        given: values for the parameters of those pages that have them.

    Raises:
        ConfigError: a parameter that no page has, or a value that a page does not take.
    """
    given = given or {}
    check_name("profile", profile, PROFILES)
    if "profile" in given:
        raise ConfigError(f"parameter profile = {given['profile']!r}: it is chosen with --profile.")
    known = {name for source in sources for name in source.defaults}
    for name in given:
        check_name("parameter", name, sorted(known))
    tasks = []
    for source in sources:
        own = {name: value for name, value in given.items() if name in source.defaults}
        tasks.append(_task(source, profile, {"profile": profile, **own}, folders))
    for task in tasks:
        if given or not task.fresh:
            _validate(task)
    return tasks


def reasons(source: Source, executed: NotebookNode | None, profile: str, parameters: Mapping[str, Any]) -> list[str]:
    """Why `executed` no longer shows what the page would compute now, in words; empty if it does."""
    if executed is None:
        return ["never executed"]
    stamp = notebook.stamp_of(executed)
    if stamp is None:
        return ["the executed notebook is incomplete or was edited by hand"]
    out = []
    if stamp["profile"] != profile:
        out.append(f"profile differs: {stamp['profile']}, not {profile}")
    elif stamp["parameters"] != dict(parameters):
        out.append(f"parameters differ: {_listed(stamp['parameters'])}, not {_listed(parameters)}")
    out += stale_code(source, stamp)
    now = versions()
    out += [f"{name} is {now.get(name)}, was {old}" for name, old in stamp["versions"].items() if now.get(name) != old]
    return out


def stale_code(source: Source, stamp: Mapping[str, Any]) -> list[str]:
    """Which code behind an executed notebook is not what it was: cells of the page, modules it stands on."""
    out = []
    old, new = list(stamp["cells"]), list(source.cells)
    if len(old) != len(new):
        out.append(f"{len(new)} code cells, not {len(old)}")
    else:
        changed = [str(number) for number, (a, b) in enumerate(zip(old, new, strict=True), 1) if a != b]
        out += [f"code cell {', '.join(changed)} changed"] if changed else []
    before, after = stamp["sources"], source.modules
    out += [f"{name} changed" for name in sorted(after) if name in before and before[name] != after[name]]
    out += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    out += [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    return out


def _validate(task: Task) -> None:
    from coursework.report.page import validate  # brings torch: only where there is something to check

    try:
        validate(task.source.experiment, {**task.source.defaults, **task.parameters})
    except ConfigError as error:
        raise ConfigError(f"{task.source.name}: {error}") from None


def _task(source: Source, profile: str, parameters: dict[str, Any], folders: Sequence[Path]) -> Task:
    first: list[str] = []
    for folder in folders:
        executed = notebook.read(folder / f"{source.name}.ipynb")
        why = reasons(source, executed, profile, parameters)
        if not why:
            return Task(source, profile, parameters, (), executed)
        first = first or why
    return Task(source, profile, parameters, tuple(first), None)


def _listed(parameters: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in parameters.items() if name != "profile"}
    return ", ".join(f"{name} = {value!r}" for name, value in rest.items()) or "the page's own"
