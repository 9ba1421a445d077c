"""A hand-in put to the test in a process of its own, from which the package that made it cannot be imported."""

import contextlib
import importlib
import io
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from coursework.report.handin.contract import examine
from coursework.report.handin.watch import HandIn, watching

PROGRAMS = ("AutoDecoder", "VariationalAutoDecoder")


class Absent(MetaPathFinder):
    """Makes a package unknown to this process, installed or not."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None for all but the package.

        Raises:
            ModuleNotFoundError: for that.
        """
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def main(folder: Path, absent: str, arguments: Sequence[str]) -> list[dict[str, str]]:
    """Run both programs of an unpacked hand-in as scripts and examine what they leave.

    Args:
        folder: the working folder, on the path; it holds the programs and the course's files and data.
        absent: the package that they have to do without.
        arguments: of the programs.
    """
    sys.meta_path.insert(0, Absent(absent))
    try:
        importlib.import_module(absent)
    except ModuleNotFoundError:
        pass
    else:
        raise RuntimeError(f"{absent} can be imported: the programs would not be on their own")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for name in PROGRAMS:
            importlib.import_module(name)
    first = {
        "point": "1 importable beside the course's files",
        "check": "main",
        "shows": "Both modules import in silence where the package that made them is unknown, and run as scripts.",
        "wrong": f"importing prints {said.getvalue()!r}" if said.getvalue() else "",
    }
    utils, evaluate = importlib.import_module("utils"), importlib.import_module("evaluate")
    own = [module for module in sys.modules.values() if _lies_in(module, folder)]
    left = {}
    with watching(utils, evaluate, own) as watched:
        for name in PROGRAMS:
            sys.argv = [f"{name}.py", *arguments]
            left[name] = SimpleNamespace(**runpy.run_path(str(folder / f"{name}.py"), run_name="__main__"))
    auto, variational = left["AutoDecoder"], left["VariationalAutoDecoder"]
    hand_in = HandIn.of(auto, variational, utils, evaluate, auto.outcome, variational.outcomes, watched)
    return [first, *examine(hand_in)]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    return Path(getattr(module, "__file__", None) or "/").parent == folder
