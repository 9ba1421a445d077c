"""The text of the hand-in's files, made from the package's own modules: one source, two places.

A file of the hand-in is a module of the package with three things changed: imports from the package become imports from
the file beside it, shapes become `Annotated` instead of jaxtyping's names, which need a library that the course's
environment lacks, and remarks to our own tools go.
"""

import ast
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from coursework.errors import BuildError
from coursework.provenance import PACKAGE, imported_modules

MODULES = {
    "AutoDecoder": "coursework.report.handin.auto_decoder",
    "VariationalAutoDecoder": "coursework.report.handin.variational_auto_decoder",
    "training": "coursework.report.handin.training",
    "decoders": "coursework.nets.decoders",
    "augment": "coursework.data.augment",
    "optim": "coursework.training.optim",
    "schedules": "coursework.training.schedules",
}
"""Name of a file of the hand-in → the module that it is."""

COURSE = {
    "utils": "coursework.report.handin.course_utils",
    "evaluate": "coursework.report.handin.course_evaluate",
}
"""The course's two files → our own of the same contract. They are not handed in."""

CHECKER = {
    "check": "coursework.report.handin.check",
    "contract": "coursework.report.handin.contract",
    "watch": "coursework.report.handin.watch",
}
"""What checks a hand-in from outside, in a folder of its own."""

ALLOWED = ("torch", "numpy", "matplotlib", "sklearn", "pandas")
"""What the hand-in may import beside the standard library and the files beside it."""

_SHAPED = re.compile(r"\b(?:Bool|Float|Int|Int64|Num|Shaped|UInt8)\[Tensor, (\"[^\"]*\")\]")
_REMARK = re.compile(r"[ \t]*# (?:type: ignore|noqa)\b.*$", re.MULTILINE)
_TYPING = re.compile(r"^from typing import (.+)$", re.MULTILINE)
_LONG = re.compile(r"^(?=.{121})( *)(def \w+\()(.+)(\) -> .+:)$", re.MULTILINE)
_JAXTYPING = re.compile(r"^from jaxtyping import .+\n", re.MULTILINE)


def hand_in_files() -> dict[str, str]:
    """File name → text, of all programs that are handed in.

    Raises:
        BuildError: a module has come to import what the hand-in does not hold.
    """
    return {f"{name}.py": program(module) for name, module in MODULES.items()}


def harness_files() -> dict[str, str]:
    """File name → text, of what stands in for the course's own files when a hand-in is checked."""
    return {f"{name}.py": program(module) for name, module in COURSE.items()}


def checker_files() -> dict[str, str]:
    """File name → text, of what checks a hand-in."""
    return {f"{name}.py": program(module) for name, module in CHECKER.items()}


def program(module: str) -> str:
    """The text of a module as a file that stands by itself beside the others.

    Raises:
        BuildError: it imports what is in none of them.
    """
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    beside = {source: name for name, source in (MODULES | COURSE | CHECKER).items()}
    for wanted in sorted(imported_modules(text, module) - beside.keys()):
        raise BuildError(f"{module} imports {wanted}, which the hand-in does not hold: see MODULES in generate.py.")
    for source, name in beside.items():
        text = text.replace(f"from {source} import ", f"from {name} import ")
    text = _imports_in_order(_REMARK.sub("", text), set(beside.values()))
    text = _LONG.sub(_broken, _plain_annotations(text))
    _check(text, module)
    return text


def foreign_imports(files: Mapping[str, str]) -> dict[str, list[str]]:
    """File → what it imports that is neither of the standard library, nor allowed, nor beside it; only those with any.

    Args:
        files: name → text.
    """
    known = {*sys.stdlib_module_names, *ALLOWED, *COURSE, *(Path(name).stem for name in files)}
    found = {name: sorted(_imports(text) - known) for name, text in files.items() if name.endswith(".py")}
    return {name: names for name, names in found.items() if names}


def _plain_annotations(text: str) -> str:
    """Shapes in jaxtyping's notation as `Annotated`, and the import that this takes."""
    shaped, count = _SHAPED.subn(r"Annotated[Tensor, \1]", text)
    if not count:
        return text
    shaped = _JAXTYPING.sub("", shaped)
    if names := _TYPING.search(shaped):
        together = ", ".join(sorted({"Annotated", *names[1].split(", ")}))
        return shaped.replace(names[0], f"from typing import {together}", 1)
    line = "from typing import Annotated\n"
    first = next(node for node in ast.parse(shaped).body if isinstance(node, ast.Import | ast.ImportFrom))
    lines = shaped.splitlines(keepends=True)
    standard = [
        node.end_lineno or 0
        for node in ast.parse(shaped).body
        if isinstance(node, ast.Import | ast.ImportFrom) and _modules(node) <= sys.stdlib_module_names
    ]
    if standard:
        return "".join([*lines[: standard[-1]], line, *lines[standard[-1] :]])
    return "".join([*lines[: first.lineno - 1], line, "\n", *lines[first.lineno - 1 :]])


def _imports_in_order(text: str, names: set[str]) -> str:
    """The imports from files beside this one, which follow one another, sorted by the files' names."""
    own = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom) and node.module in names]
    if not own:
        return text
    lines = text.splitlines(keepends=True)
    blocks = [(str(node.module), lines[node.lineno - 1 : node.end_lineno]) for node in own]
    ordered = [line for _, block in sorted(blocks) for line in block]
    return "".join([*lines[: own[0].lineno - 1], *ordered, *lines[own[-1].end_lineno :]])


def _broken(long: re.Match[str]) -> str:
    """A definition longer than a line, its parameters on a line of their own."""
    indent, head, parameters, tail = long.groups()
    return f"{indent}{head}\n{indent}    {parameters}\n{indent}{tail}"


def _check(text: str, module: str) -> None:
    ast.parse(text)
    for word in (PACKAGE, "jaxtyping"):
        if re.search(rf"\b{word}\b", text):
            raise BuildError(f"{module}: the hand-in's file still names {word}.")


def _imports(text: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return set().union(*map(_modules, nodes))


def _modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Top names of what a statement imports."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return {name.partition(".")[0] for name in names}
