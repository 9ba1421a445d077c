"""Rows 5, 6 and 7: checkpoints and results cut short, forged or huge. More in tests/training/test_checkpoint.py."""

import ast
import hashlib
import json
import os
import resource
import struct
from pathlib import Path

import pytest
import torch
from torch import nn

import coursework
from coursework import runs
from coursework.errors import CheckpointError
from coursework.training.checkpoint import load_newest, save_checkpoint
from coursework.training.loop import Player, fit

pytestmark = pytest.mark.usefixtures("linear")

NESTED = b"[" * 200_000


def make():
    torch.manual_seed(5)
    net = nn.Linear(4, 3)
    players = {"p": Player(lambda x: (net(x).square().mean(), {}), [torch.optim.Adam(net.parameters(), lr=0.1)])}
    return {"net": net}, players


@pytest.fixture
def two(tmp_path):
    """A folder with sound checkpoints of steps 10 and 20, and the weights of the first."""
    modules, players = make()
    for step in (10, 20):
        fit(players, lambda step: torch.randn(3, 4), step, start=step - 10, modules=modules)
        save_checkpoint(tmp_path, step, "key", modules, players, {})
        if step == 10:
            first = modules["net"].weight.detach().clone()
    return tmp_path, first


def forge(checkpoint, name, content):
    """Replace a file and make the manifest agree: only what is in it can be wrong now."""
    (checkpoint / name).write_bytes(content)
    path = checkpoint / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def refused(folder, first):
    """What is said while the older checkpoint is taken."""
    said = []
    modules, players = make()
    state = load_newest(folder, "key", modules, players, said.append)
    assert state["step"] == 10
    assert torch.equal(modules["net"].weight, first)
    (line,) = said
    assert "step-000000020" in line
    return line


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, -10])
def test_cut_anywhere(two, name, kept):
    folder, first = two
    path = folder / "step-000000020" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    refused(folder, first)


@pytest.mark.parametrize(
    "manifest",
    [
        b"null",
        b"[]",
        b"3",
        NESTED,
        b"\xff\xfe",
        b'{"format": 1, "key": "key", "files": []}',
        b'{"format": 1, "key": "key", "files": {}}',
        b'{"format": 1, "key": "key", "files": {"state.json": 3, "state.safetensors": null}}',
        b'{"format": 1, "key": "key", "files": {"state.json": {}, "state.safetensors": {}}}',
        b'{"format": 1, "key": "key", "files": {"../../x": {"bytes": 0, "sha256": ""}}}',
    ],
)
def test_a_forged_manifest_vouches_for_nothing(two, manifest):
    folder, first = two
    (folder / "step-000000020" / "manifest.json").write_bytes(manifest)
    refused(folder, first)


@pytest.mark.parametrize(
    "state", [b"null", b"[]", b"{}", b'{"step": "20"}', b'{"step": -1}', b'{"step": true}', NESTED, b"\xff"]
)
def test_a_forged_state_names_no_step(two, state):
    folder, first = two
    forge(folder / "step-000000020", "state.json", state)
    refused(folder, first)


def tensors_file(header, payload=b""):
    return struct.pack("<Q", len(header)) + header + payload


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 99_000_000) + b"{}",
        tensors_file(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', b"0000"),
        tensors_file(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}', b"0000"),
        tensors_file(b'{"a":' * 10_000),
        b"PK\x03\x04" + bytes(1000),
        b"\x80\x04cposix\nsystem\n(S'touch sprung'\ntR.",
    ],
    ids=["length", "long", "overflow", "terabytes", "nested", "zip", "pickle"],
)
def test_forged_tensors_take_no_memory_and_run_nothing(two, content, fork, monkeypatch, tmp_path):
    folder, first = two
    monkeypatch.chdir(tmp_path)
    forge(folder / "step-000000020", "state.safetensors", content)

    def work():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        line = refused(folder, first)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
        assert len(line) < 400

    child = fork(work)
    assert child.wait() == 0, child.text
    assert not (tmp_path / "sprung").exists()


def test_missing_random_state_and_all_forged_is_an_error_not_a_crash(two):
    from safetensors.torch import load_file, save

    folder, _ = two
    for step in (10, 20):
        path = folder / f"step-{step:09d}"
        tensors = load_file(path / "state.safetensors")
        del tensors["random/cpu"]
        forge(path, "state.safetensors", save(tensors))
    modules, players = make()
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        load_newest(folder, "key", modules, players, lambda line: None)


@pytest.mark.parametrize(
    "manifest", [b"", b"null", NESTED, b'{"format": 1, "key": "KEY", "files": {}}'], ids=["0", "null", "nested", "none"]
)
def test_a_result_with_a_forged_manifest_is_made_again(manifest, runs_folder, small):
    config = small.tiny(epochs=5)
    first = runs.run(config)
    before = small.contents(first.path)
    (first.path / "manifest.json").write_bytes(manifest.replace(b"KEY", first.key.encode()))
    (first.path / "metrics.json").unlink()
    assert small.contents(runs.run(config).path) == before


def test_a_run_whose_every_checkpoint_is_damaged_starts_again(runs_folder, fork, small, elsewhere):
    def work():
        runs._save = lambda *_: os._exit(0)
        runs.run(small.tiny())

    assert fork(work).wait() == 0
    for path in runs_folder.glob("*/checkpoints/*/state.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    again = fork(lambda: runs.run(small.tiny()))
    assert again.wait() == 0, again.text
    assert "state.safetensors has" in again.text
    assert "Training starts again" in again.text
    (path,) = runs_folder.iterdir()
    assert small.contents(path) == elsewhere(small.tiny())


def test_nothing_in_the_package_reads_pickles():
    """No zip, `.pt` or pickle bomb can be sprung by code that opens none."""
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    calls = {("torch", "load"), ("torch", "jit"), ("np", "load"), ("numpy", "load"), ("pd", "read_pickle")}
    found = []
    for path in Path(coursework.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names}
                names |= {(getattr(node, "module", "") or "").split(".")[0]}
                found += [(path.name, name) for name in names & banned]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found += [(path.name, node.attr)] if (node.value.id, node.attr) in calls else []
    assert found == []
