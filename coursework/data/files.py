"""The data sets that come as IDX files, and what their files must hold. A table; nothing is read here."""

from pathlib import Path
from typing import NamedTuple


class IdxFile(NamedTuple):
    """One file as it must be: name without .gz, dimensions, size and SHA-256 when unpacked."""

    name: str
    ndim: int
    size: int
    sha256: str


class Files(NamedTuple):
    """The two files of a split."""

    images: IdxFile
    labels: IdxFile

    @property
    def num_rows(self) -> int:
        """Number of labels, and of images: a label is one byte after a header of eight."""
        return self.labels.size - 8


class IdxDataSet(NamedTuple):
    """A data set in four files, and the places that others give it.

    `splits` maps a split's name to its files; `torchvision` is the class in torchvision.datasets and the name
    of its folder; `system` is the folder of the Debian package `package`, where there is one.
    """

    splits: dict[str, Files]
    torchvision: str
    class_names: tuple[str, ...]
    system: Path | None = None
    package: str | None = None


DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def _splits(train_images: str, train_labels: str, test_images: str, test_labels: str) -> dict[str, Files]:
    """60,000 + 10,000 images of 28 × 28 pixels under the usual file names, with these SHA-256."""
    return {
        "train": Files(
            IdxFile("train-images-idx3-ubyte", 3, 16 + 60_000 * 28 * 28, train_images),
            IdxFile("train-labels-idx1-ubyte", 1, 8 + 60_000, train_labels),
        ),
        "test": Files(
            IdxFile("t10k-images-idx3-ubyte", 3, 16 + 10_000 * 28 * 28, test_images),
            IdxFile("t10k-labels-idx1-ubyte", 1, 8 + 10_000, test_labels),
        ),
    }


DATA_SETS = {
    "fashion-mnist": IdxDataSet(
        splits=_splits(
            train_images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            train_labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            test_images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            test_labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        torchvision="FashionMNIST",
        class_names=CLOTHES,
        system=Path("/usr/share/datasets/fashion-mnist"),
        package="dataset-fashion-mnist",
    ),
    "mnist": IdxDataSet(
        splits=_splits(
            train_images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            train_labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            test_images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            test_labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        torchvision="MNIST",
        class_names=DIGITS,
    ),
}
