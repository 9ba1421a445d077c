"""A hand-in unpacked into an empty folder and run there on CSV files, with our harness in the course's place."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coursework.data import load
from coursework.errors import BuildError, DataError
from coursework.provenance import PACKAGE
from coursework.report.handin.course_utils import COLUMNS, FashionDataset
from coursework.report.handin.generate import checker_files, foreign_imports, harness_files

SHORT = ("--epochs", "2", "--copies", "1", "--channels", "16", "--test-epochs", "5")
"""Arguments of the programs under which they run in seconds, and still have to beat the mean image."""

_SECONDS = 1800
_FEWEST = 10
_LINES = 8
_RUNNER = """
import json, sys
from pathlib import Path
checker, folder, report, absent, *arguments = sys.argv[1:]
sys.path[:0] = [checker, folder]
from check import main
verdict = main(Path(folder), absent, arguments)
Path(report).write_text(json.dumps(verdict), encoding="utf-8")
"""


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of the files, the same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


def rehearse(archive: bytes, data: Path, arguments: Sequence[str] = SHORT) -> list[dict[str, str]]:
    """What a hand-in does where it will be marked: a row per check, its `wrong` empty where nothing is.

    The archive is unpacked into an empty folder beside our harness. A process of its own, isolated from this one's
    environment and without this package, runs both programs as scripts and examines what they leave.

    Args:
        archive: the zip file's bytes.
        data: folder of the CSV files.
        arguments: of both programs.

    Raises:
        BuildError: the archive holds a path, a program imports what the course's environment lacks, or one fails.
    """
    with tempfile.TemporaryDirectory(prefix="hand-in-", ignore_cleanup_errors=True) as place:
        folder, checker, report = Path(place) / "unpacked", Path(place) / "checker", Path(place) / "report.json"
        programs = _unpack(archive, folder)
        if foreign := foreign_imports(programs):
            said = "; ".join(f"{name} imports {', '.join(names)}" for name, names in foreign.items())
            raise BuildError(f"the hand-in is not self-contained: {said}.")
        _write(harness_files(), folder)
        _write(checker_files(), checker)
        command = [sys.executable, "-I", "-c", _RUNNER, str(checker), str(folder), str(report), PACKAGE]
        options = ["--data", str(data.resolve()), "--out", str(Path(place) / "figures")]
        try:
            done = subprocess.run(
                [*command, *options, *arguments],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"the hand-in's programs ran for more than {_SECONDS} s in their short setting.") from None
        if done.returncode or not report.is_file():
            tail = [line for line in done.stdout.splitlines() if line.strip()][-_LINES:]
            raise BuildError("\n".join(["the hand-in's programs do not run on their own:", *tail]))
        return json.loads(report.read_text(encoding="utf-8"))


@contextlib.contextmanager
def course_data(num_images: int = 1000) -> Iterator[Path]:
    """A folder with the first images of Fashion-MNIST as the course's CSV files, gone when the block is left.

    Raises:
        DataError: the images are not to be found.
    """
    with tempfile.TemporaryDirectory(prefix="csv-") as place:
        folder = Path(place)
        for split in ("train", "test"):
            rows = load("fashion-mnist", split, n=num_images)
            write_csv(folder / f"fashion-mnist_{split}.csv", rows.images.numpy(), rows.labels.numpy())
        yield folder


def write_csv(
    path: Path, images: "np.ndarray[Any, np.dtype[np.uint8]]", labels: "np.ndarray[Any, np.dtype[np.int64]]"
) -> None:
    """The course's format: a header, then a label and 784 pixels a row."""
    table = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
    np.savetxt(path, table, fmt="%d", delimiter=",", header=",".join(COLUMNS), comments="", encoding="utf-8")


def check_csv(folder: Path) -> None:
    """Nothing, if the course's CSV files lie in the folder and hold what they should.

    Raises:
        DataError: a file is absent, or has wrong columns or values.
    """
    for split in ("train", "test"):
        path = folder / f"fashion-mnist_{split}.csv"
        try:
            count = len(FashionDataset(path))
        except (OSError, ValueError) as error:
            said = f"{path}: {error.strerror}." if isinstance(error, OSError) else str(error)
            raise DataError(f"{said} --data needs the course's CSV files; without it they are made.") from None
        if count < _FEWEST:
            raise DataError(f"{path} has {count} rows: give {_FEWEST} or more.")


def _unpack(archive: bytes, folder: Path) -> dict[str, str]:
    """Write the archive's files, and return the texts of its programs."""
    folder.mkdir()
    programs = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for name in packed.namelist():
            if Path(name).name != name:
                raise BuildError(f"the hand-in holds {name!r}: its files lie side by side.")
            (folder / name).write_bytes(packed.read(name))
            if name.endswith(".py"):
                programs[name] = packed.read(name).decode("utf-8")
    return programs


def _write(files: Mapping[str, str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _environment() -> dict[str, str]:
    """Nothing of ours: no variable of Python's or of this package's, no window for figures."""
    ours = ("PYTHON", f"{PACKAGE.upper()}_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)} | {"MPLBACKEND": "Agg"}
