"""Checkpoints: a round trip that changes nothing, and damage of every kind refused by name."""

import json
import pickle

import pytest
import torch
from torch import nn

from coursework.errors import CheckpointError
from coursework.training.checkpoint import load_newest, save_checkpoint
from coursework.training.loop import Player, fit
from coursework.training.optim import RowAdam


class _Bomb:
    """Leaves a file behind if anybody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def make(width=3):
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 1))
    table = nn.Embedding(20, 4)
    rows = RowAdam(table.weight, lr=0.1)

    def loss(step):
        index = (torch.arange(6) + step) % 20
        value = (net(rows.gather(index) + 0.1 * torch.randn(6, 4)) - 1).square().mean()
        return value, {}

    players = {"p": Player(loss, [torch.optim.AdamW(net.parameters(), lr=0.01), rows])}
    return {"net": net, "table": table}, players


def weights(modules):
    return {f"{m}.{n}": t.clone() for m, module in modules.items() for n, t in module.state_dict().items()}


def train(modules, players, start, stop):
    fit(players, lambda step: step, stop, start=start, modules=modules)


def save(folder, step, modules, players, key="key"):
    return save_checkpoint(folder, step, key, modules, players, {"cpu_seconds": 1.0})


def test_resumed_training_is_byte_equal(tmp_path):
    modules, players = make()
    train(modules, players, 0, 30)
    straight = weights(modules)

    modules, players = make()
    train(modules, players, 0, 17)
    save(tmp_path, 17, modules, players)
    modules, players = make()
    torch.manual_seed(99)
    state = load_newest(tmp_path, "key", modules, players, pytest.fail)
    assert state["step"] == 17
    train(modules, players, 17, 30)
    for name, tensor in weights(modules).items():
        assert torch.equal(tensor, straight[name]), name


@pytest.mark.parametrize("dropped", ["optimizer", "random"])
def test_every_part_of_the_state_matters(tmp_path, dropped, monkeypatch):
    """Without optimiser or random state the resumed run ends elsewhere: the test above can fail."""
    modules, players = make()
    train(modules, players, 0, 17)
    path = save(tmp_path, 17, modules, players)
    train(modules, players, 17, 30)
    straight = weights(modules)
    modules, players = make()
    load_newest(tmp_path, "key", modules, players, pytest.fail)
    if dropped == "optimizer":
        for optimizer in players["p"].optimizers[:1]:
            optimizer.state.clear()
    else:
        torch.manual_seed(1)
    train(modules, players, 17, 30)
    assert any(not torch.equal(t, straight[n]) for n, t in weights(modules).items())
    assert path.is_dir()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "manifest.json"])
def test_damage_falls_back_to_the_one_before_and_says_so(tmp_path, damage, name):
    modules, players = make()
    for step in (10, 20):
        train(modules, players, step - 10, step)
        path = save(tmp_path, step, modules, players)
    damage(path / name)
    said = []
    modules, players = make()
    state = load_newest(tmp_path, "key", modules, players, said.append)
    if name == "manifest.json" and damage is flip_a_bit and not said:
        pytest.skip("the flipped bit fell on white space")
    assert state["step"] == 10
    assert len(said) == 1
    assert "step-000000020" in said[0]


def test_nothing_valid_is_an_error_and_no_checkpoint_is_none(tmp_path):
    modules, players = make()
    assert load_newest(tmp_path, "key", modules, players, pytest.fail) is None
    flip_a_bit(save(tmp_path, 5, modules, players) / "state.safetensors")
    with pytest.raises(CheckpointError, match="none of the 1 checkpoints"):
        load_newest(tmp_path, "key", modules, players, lambda text: None)


def test_foreign_run_format_and_architecture_are_named(tmp_path):
    modules, players = make()
    path = save(tmp_path, 5, modules, players)
    said = []
    with pytest.raises(CheckpointError):
        load_newest(tmp_path, "other", modules, players, said.append)
    other, other_players = make(width=4)
    before = weights(other)
    with pytest.raises(CheckpointError):
        load_newest(tmp_path, "key", other, other_players, said.append)
    assert all(torch.equal(t, before[n]) for n, t in weights(other).items())  # nothing was half loaded
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 99}), encoding="utf-8")
    with pytest.raises(CheckpointError):
        load_newest(tmp_path, "key", modules, players, said.append)
    assert "run 'key', not to 'other'" in said[0]
    assert "net/0.weight" in said[1]
    assert "format is 99" in said[2]


def test_pickles_are_never_executed(tmp_path):
    modules, players = make()
    path = save(tmp_path, 5, modules, players)
    trap = tmp_path / "sprung"
    (path / "state.safetensors").write_bytes(pickle.dumps(_Bomb(trap)))
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    import hashlib

    content = (path / "state.safetensors").read_bytes()
    manifest["files"]["state.safetensors"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CheckpointError):
        load_newest(tmp_path, "key", modules, players, lambda text: None)
    assert not trap.exists()


def test_the_newest_two_are_kept_and_leftovers_swept(tmp_path):
    modules, players = make()
    (tmp_path / ".writing-000000001-1").mkdir()
    for step in (1, 2, 3, 4):
        save(tmp_path, step, modules, players)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000003", "step-000000004"]


def test_a_full_disk_leaves_older_checkpoints_alone(tmp_path, monkeypatch):
    modules, players = make()
    save(tmp_path, 1, modules, players)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coursework.training.checkpoint.save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left.*MB free"):
        save(tmp_path, 2, modules, players)
    monkeypatch.undo()
    assert load_newest(tmp_path, "key", modules, players, pytest.fail)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]
