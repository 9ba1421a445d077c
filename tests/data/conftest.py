"""A writer of IDX files, and small data sets that stand in the table in place of the real ones."""

import gzip
import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from coursework.data import files


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@dataclass
class Toy:
    """Data sets of 20 + 10 images under the real names and file names, and folders for them."""

    folder: Path
    payloads: dict[str, dict[str, bytes]] = field(default_factory=dict)  # data set → file → bytes
    table: dict[str, files.IdxDataSet] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / "data"

    @property
    def system(self) -> Path:
        return self.folder / "system"

    def add(self, name: str, torchvision: str, seed: int, **extra) -> None:
        rng = np.random.default_rng(seed)
        splits, self.payloads[name] = {}, {}
        for split, stem, count in (("train", "train", 20), ("test", "t10k", 10)):
            arrays = {
                f"{stem}-images-idx3-ubyte": rng.integers(0, 256, (count, 4, 3), dtype=np.uint8),
                f"{stem}-labels-idx1-ubyte": rng.integers(0, 10, count, dtype=np.uint8),
            }
            known = []
            for file, array in arrays.items():
                payload = idx_bytes(array)
                self.payloads[name][file] = payload
                digest = hashlib.sha256(payload).hexdigest()
                known.append(files.IdxFile(file, array.ndim, len(payload), digest))
            splits[split] = files.Files(*known)
        self.table[name] = files.IdxDataSet(splits, torchvision, tuple("0123456789"), **extra)

    def write(self, name: str, folder: Path, *, packed: bool = True, only: str = "") -> Path:
        """Writes the files of `name` whose name starts with `only` directly into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for file, payload in self.payloads[name].items():
            if file.startswith(only):
                path = folder / (f"{file}.gz" if packed else file)
                path.write_bytes(gzip.compress(payload) if packed else payload)
        return folder

    def images(self, name: str, split: str) -> np.ndarray:
        file = "train-images-idx3-ubyte" if split == "train" else "t10k-images-idx3-ubyte"
        return np.frombuffer(self.payloads[name][file][16:], np.uint8).reshape(-1, 4, 3)

    def labels(self, name: str, split: str) -> list[int]:
        file = "train-labels-idx1-ubyte" if split == "train" else "t10k-labels-idx1-ubyte"
        return list(self.payloads[name][file][8:])

    def script(self, body: str) -> str:
        """A program that puts these data sets into the table and then does `body`."""
        return (
            "from pathlib import Path, PosixPath, WindowsPath\n"
            "from coursework.data import files, load\n"
            "from coursework.data.files import Files, IdxDataSet, IdxFile\n"
            f"files.DATA_SETS.update({self.table!r})\n{body}"
        )


@pytest.fixture(scope="session")
def to_idx():
    return idx_bytes


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = Toy(tmp_path)
    made.add("fashion-mnist", "FashionMNIST", 1, system=made.system, package="dataset-fashion-mnist")
    made.add("mnist", "MNIST", 2)
    for name, data_set in made.table.items():
        monkeypatch.setitem(files.DATA_SETS, name, data_set)
    monkeypatch.setenv("COURSEWORK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    return made
