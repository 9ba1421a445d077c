"""The cache of downloaded data sets: where it is, who writes to it, what becomes of bad files."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import platformdirs

from coursework.data import idx
from coursework.data.files import DATA_SETS
from coursework.data.folders import Pair, present, read_file, read_pair
from coursework.errors import BusyError, DataError

VARIABLE = "COURSEWORK_CACHE"
WAIT = 900.0  # seconds to wait for another process, which may be downloading


def directory(name: str) -> Path:
    """`data/<name>` in the folder `COURSEWORK_CACHE`, else in the user's cache folder; it may not exist."""
    given = os.environ.get(VARIABLE)
    base = os.path.expanduser(given or platformdirs.user_cache_dir("coursework", appauthor=False))  # noqa: PTH111
    return Path(base, "data", name).absolute()


def set_damaged_aside(name: str, split: str) -> list[str]:
    """Renames damaged files of a split, `<file>` to `<file>.damaged`; returns what was wrong with each.

    Another process may have mended the split in the meantime: then nothing is renamed.

    Raises:
        DataError: the cache cannot be written to.
        BusyError: another process held it for longer than `WAIT`.
    """
    problems = []
    with _locked(name) as folder:
        for file in DATA_SETS[name].splits[split]:
            path = present(folder, file)
            if path is None:
                continue
            try:
                read_file(path, name, file)
            except idx.DamagedError as error:
                problems.append(f"{error.problem} Set aside as {_set_aside(path, folder).name}.")
    return problems


def download_pair(name: str, split: str) -> Pair:
    """Downloads the files of a data set that the cache lacks, and returns the split, verified.

    Files that arrived intact are kept even if others did not: the next attempt asks only for those.

    Raises:
        DataError: not all files arrived, one is not what it should be, or the cache cannot be written to.
        BusyError: another process held it for longer than `WAIT`.
    """
    with _locked(name) as folder:
        if any(present(folder, file) is None for file in DATA_SETS[name].splits[split]):
            _download_into(folder, name)
        return read_pair([folder], name, split)


def _download_into(folder: Path, name: str) -> None:
    from coursework.data import download  # here, because that module is also run as a program

    data_set = DATA_SETS[name]
    wanted = {
        f"{file.name}.gz": file for files in data_set.splits.values() for file in files if present(folder, file) is None
    }
    failure: DataError | None = None
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder, ignore_cleanup_errors=True) as temporary:
        try:
            download.fetch(data_set.torchvision, list(wanted), Path(temporary))
        except DataError as error:
            failure = error
        for packed, file in wanted.items():
            path = Path(temporary, packed)
            try:
                read_file(path, name, file)
            except idx.DamagedError as error:
                failure = failure or DataError(f"{error.problem} Set aside as {_set_aside(path, folder)}.")
            except DataError as error:
                failure = failure or error
            else:
                path.replace(folder / packed)
    if failure is not None:
        raise failure


@contextlib.contextmanager
def _locked(name: str) -> Iterator[Path]:
    """`directory(name)`, made if need be, while no other process writes to it."""
    folder = directory(name)
    if "~" in folder.parts:
        raise _unwritable(folder, "there is no home folder")
    lock = filelock.FileLock(folder / ".lock", timeout=WAIT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock:
            for left_over in folder.glob(".download-*"):  # of a process that was killed
                shutil.rmtree(left_over, ignore_errors=True)
            yield folder
    except filelock.Timeout as error:
        msg = (
            f"Another process has held the cache {folder} for {WAIT:.0f} seconds. "
            f"Wait for it to end, or set {VARIABLE} to another folder."
        )
        raise BusyError(msg) from error
    except (OSError, NotImplementedError) as error:
        raise _unwritable(folder, getattr(error, "strerror", None) or str(error)) from error


def _set_aside(path: Path, folder: Path) -> Path:
    """Moves a file into `folder` as `<name>.damaged`, or `.damaged-2` and so on; returns where it is now."""
    target, count = folder / f"{path.name}.damaged", 1
    while target.exists() or target.is_symlink():
        count += 1
        target = folder / f"{path.name}.damaged-{count}"
    return path.rename(target)


def _unwritable(folder: Path, reason: str) -> DataError:
    return DataError(
        f"The cache {folder} cannot be written to ({reason}). "
        f"Set {VARIABLE} to a folder that can, or make room in this one."
    )
