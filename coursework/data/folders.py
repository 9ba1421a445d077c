"""Finding the files of a data set in a folder and reading them: complete and intact, or an error."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from coursework.data import idx
from coursework.data.files import DATA_SETS, Files, IdxFile
from coursework.errors import DataError


class Pair(NamedTuple):
    """What the two files of a split hold."""

    images: idx.Idx
    labels: idx.Idx


class AbsentError(Exception):
    """A place does not have the files, for the reason given; whoever asked goes on to the next place."""


class ForeignError(idx.DamagedError):
    """An intact file, but of another data set."""


def layouts(base: str | os.PathLike[str], name: str) -> list[Path]:
    """Where a user's folder may hold `name`: under its name, as torchvision lays it out, or directly."""
    folder = Path(os.path.expanduser(base))  # noqa: PTH111 (pathlib raises where there is no home)
    return [folder / name, folder / DATA_SETS[name].torchvision / "raw", folder]


def present(folder: Path, file: IdxFile) -> Path | None:
    """The file's path in `folder`, packed or not; it may yet be damaged, or anything of that name."""
    for path in (folder / f"{file.name}.gz", folder / file.name):
        try:
            path.lstat()
        except (OSError, ValueError):
            continue
        return path
    return None


def read_pair(folders: Sequence[Path], name: str, split: str) -> Pair:
    """Images and labels of a split from the first of `folders` with both files; the last holds the others.

    Raises:
        AbsentError: none of the folders has either file.
        ForeignError: a file is that of another data set.
        DamagedError: a file is damaged.
        DataError: a file cannot be read, or one of the two is missing.
    """
    files = DATA_SETS[name].splits[split]
    lone: Path | None = None
    for folder in folders:
        images, labels = present(folder, files.images), present(folder, files.labels)
        if images is not None and labels is not None:
            return _read_both(images, labels, name, files)
        lone = lone or images or labels
    if lone is not None:
        other = files.labels if lone.name.startswith(files.images.name) else files.images
        msg = f"{lone} is there, but {other.name}.gz is not beside it. Add the missing file."
        raise DataError(msg)
    *inner, base = folders
    places = ", ".join([str(base), *(f"its {folder.relative_to(base)}/" for folder in inner)])
    msg = f"no {files.images.name}.gz and {files.labels.name}.gz in {places}"
    raise AbsentError(msg)


def read_file(path: Path, name: str, file: IdxFile) -> idx.Idx:
    """What one file holds, once its SHA-256 is the one in the table.

    Raises:
        ForeignError: it is the file of another data set.
        DamagedError: it is damaged.
        DataError: it cannot be read.
    """
    found = idx.read(path, ndim=file.ndim, size=file.size)
    if found.sha256 == file.sha256:
        return found
    for other, data_set in DATA_SETS.items():
        if any(found.sha256 == known.sha256 for files in data_set.splits.values() for known in files):
            problem = f"{path} belongs to {other!r}, not to {name!r}."
            raise ForeignError(problem, "Keep each data set in a folder of its name.")
    problem = (
        f"{path} has the form but not the contents of {name!r}: "
        f"its SHA-256 starts with {found.sha256[:12]} instead of {file.sha256[:12]}."
    )
    raise idx.DamagedError(problem)


def _read_both(images_path: Path, labels_path: Path, name: str, files: Files) -> Pair:
    labels = read_file(labels_path, name, files.labels)
    images = read_file(images_path, name, files.images)
    num_classes = len(DATA_SETS[name].class_names)
    idx.check_labels(images, labels, num_classes=num_classes, images_path=images_path, labels_path=labels_path)
    return Pair(images, labels)
