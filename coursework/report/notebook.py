"""Executed notebooks: cleaned, stamped with what produced them, given new prose, written whole or not."""

import contextlib
import getpass
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from coursework.errors import BuildError
from coursework.provenance import versions
from coursework.report.sources import INJECTED_TAG, PARAMETERS_TAG, Source, code_cells

MAX_BYTES = 1_500_000
STAMP = "coursework"

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_BAR = re.compile(r"\d+%\|.*\||\d(it|s)/(s|it)\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
_RUNTIME = {"papermill", "execution"}
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def clean(notebook: NotebookNode, root: Path) -> tuple[NotebookNode, list[str]]:
    """The notebook without what changes from run to run, and the lines that its cells wrote to stderr.

    Gone are times, paths, terminal codes, overwritten progress lines, versions of tools, and the standard
    error stream as a whole: warnings belong in the log of the build, and progress bars nowhere.
    """
    out = nbformat.from_dict({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    noise: list[str] = []
    for cell in notebook.cells:
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue
        metadata = {key: value for key, value in cell.metadata.items() if key not in {"papermill", "execution"}}
        if not metadata.get("tags", True):
            del metadata["tags"]
        if INJECTED_TAG in metadata.get("tags", []):
            metadata["tags"] = sorted({*metadata["tags"], "remove-cell"})
        fresh = nbformat.from_dict({"cell_type": cell.cell_type, "metadata": metadata, "source": cell.source})
        if cell.cell_type == "code":
            fresh.execution_count = cell.get("execution_count")
            fresh.outputs = []
            for output in cell.get("outputs", []):
                if output.output_type == "stream" and output.name == "stderr":
                    lines = _plain(output.text, root).splitlines()
                    noise += [line for line in lines if line.strip() and not _BAR.search(line)]
                else:
                    fresh.outputs.append(_cleaned(output, root))
        out.cells.append(fresh)
    out.metadata = nbformat.from_dict({"kernelspec": _KERNEL, "language_info": _LANGUAGE})
    _name_cells(out)
    return out, noise


def stamped(notebook: NotebookNode, source: Source, profile: str, parameters: dict[str, Any]) -> NotebookNode:
    """The cleaned notebook with what produced it written down: only a page that ran to its end gets this.

    Raises:
        BuildError: a cell failed or did not run, or the page is too large to be tracked.
    """
    for number, cell in enumerate(code_cells(notebook), 1):
        if cell.execution_count is None or any(output.output_type == "error" for output in cell.outputs):
            raise BuildError(f"{source.name} did not run to its end: code cell {number} failed or never ran.")
    notebook.metadata[STAMP] = nbformat.from_dict(
        {
            "schema": 1,
            "page": source.name,
            "profile": profile,
            "parameters": parameters,
            "cells": list(source.cells),
            "sources": source.modules,
            "versions": versions(),
            "outputs": outputs_hash(notebook),
            "completed": True,
        }
    )
    _check_size(notebook, source.name)
    return notebook


def stamp_of(notebook: NotebookNode | None) -> dict[str, Any] | None:
    """What produced an executed notebook; None if it is absent, unfinished, or changed since."""
    stamp = (notebook.metadata if notebook else {}).get(STAMP, {})
    whole = stamp.get("schema") == 1 and stamp.get("completed") is True
    if not whole or notebook is None or stamp.get("outputs") != outputs_hash(notebook):
        return None
    return stamp


def with_prose(source: Source, executed: NotebookNode) -> NotebookNode:
    """The page as it is written now, with the outputs of `executed`, whose code does the same."""
    done = iter(code_cells(executed))
    injected = [cell for cell in executed.cells if INJECTED_TAG in cell.metadata.get("tags", [])]
    out = nbformat.from_dict({"cells": [], "metadata": executed.metadata, "nbformat": 4, "nbformat_minor": 5})
    own = code_cells(source.notebook)
    for cell in source.notebook.cells:
        fresh = nbformat.from_dict({k: v for k, v in cell.items() if k in {"cell_type", "metadata", "source"}})
        if cell.cell_type == "code":
            ran = next(done) if any(cell is one for one in own) else None
            fresh.outputs = ran.outputs if ran else []
            fresh.execution_count = ran.execution_count if ran else None
        out.cells.append(fresh)
        if PARAMETERS_TAG in cell.metadata.get("tags", []):
            out.cells += injected
    _name_cells(out)
    return out


def read(path: Path) -> NotebookNode | None:
    """The notebook in a file, None if there is no file or no notebook in it."""
    try:
        found = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError):
        return None
    return found if isinstance(found, NotebookNode) else None


def as_text(notebook: NotebookNode) -> str:
    """The notebook as the text of its file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def write_text(path: Path, text: str) -> bool:
    """Put `text` in the file, whole or not at all; True if that changed it.

    Raises:
        BuildError: the file system refuses; what was there before is untouched.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return False
    data = text.encode()
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)
    return True


@contextlib.contextmanager
def replacing(path: Path, size: int | None = None) -> Iterator[Path]:
    """A temporary file beside `path`, moved over it at the end, or removed if anything fails on the way.

    Args:
        path: what it becomes.
        size: in bytes, to be told if the disk is full.

    Raises:
        BuildError: the file system refuses.
    """
    temporary = path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        needs = "" if size is None else f" It needs {size / 1e6:.3f} MB free."
        raise BuildError(
            f"cannot write {path}: {error.strerror or error}.{needs} The old file, if any, is as it was."
        ) from error
    finally:
        if temporary != path:
            temporary.unlink(missing_ok=True)


def outputs_hash(notebook: NotebookNode) -> str:
    """Sixteen hexadecimal digits over the outputs of all code cells, in order."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:16]


def _cleaned(output: NotebookNode, root: Path) -> NotebookNode:
    out = nbformat.from_dict(output)
    if output.output_type == "stream":
        out.text = _plain(output.text, root)
    for mime, data in out.get("data", {}).items():
        if isinstance(data, str) and not mime.startswith(("image/", "application/")):
            out.data[mime] = _plain(data, root)
    if output.output_type == "error":
        out.traceback = [_plain(line, root) for line in output.traceback]
    return out


def without_codes(text: str) -> str:
    """Text without terminal colours and cursor movements."""
    return _ANSI.sub("", text)


def _plain(text: str, root: Path) -> str:
    """Text as a terminal would leave it on the screen, without colours and without this machine's paths."""
    text = without_codes(text).replace("\r\n", "\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = _CONTROL.sub("", text)
    for path, name in ((root, "."), (Path.home(), "~"), (Path(tempfile.gettempdir()), "TMP")):
        if len(path.parts) > 1:
            text = re.sub(rf"{re.escape(str(path))}(?![\w.-])", name, text)
    return text


def private_names(root: Path) -> dict[str, str]:
    """What must not show on a page: the string → what it is."""
    out = {str(root): "the project's folder", str(Path.home()): "the home folder"}
    with contextlib.suppress(OSError, KeyError):
        out[f"/{getpass.getuser()}/"] = "the user's name"
    return {text: what for text, what in out.items() if len(text.strip("/")) > 2}


def _name_cells(notebook: NotebookNode) -> None:
    """Cell ids that depend on the page's text alone, so that the file changes only where the page does."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _check_size(notebook: NotebookNode, name: str) -> None:
    size = len(as_text(notebook).encode())
    if size <= MAX_BYTES:
        return
    largest = max(code_cells(notebook), key=lambda cell: len(json.dumps(cell.outputs)))
    raise BuildError(
        f"{name} is {size / 1e6:.1f} MB when executed, {MAX_BYTES / 1e6:.1f} MB is the limit; most of it "
        f"comes from the cell that begins {largest.source.strip().splitlines()[0]!r}. Draw dense marks with "
        "rasterized=True, or fewer of them."
    )
