"""Checkpoints that survive a power cut: written aside, moved into place, their manifest last.

A checkpoint is a folder `step-000000123/` with `state.safetensors` (weights, optimiser state, random state),
`state.json` (the few numbers that are not tensors) and `manifest.json` (size and SHA-256 of both, the run's key, a
format number). Only a folder whose manifest agrees counts. Pickles are neither written nor read.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from coursework.errors import CheckpointError
from coursework.training.loop import Player

FORMAT = 1
_KEPT = 2


def save_checkpoint(
    folder: Path,
    step: int,
    key: str,
    modules: Mapping[str, nn.Module],
    players: Mapping[str, Player],
    extra: Mapping[str, Any],
) -> Path:
    """Write the state after `step` steps into `folder`, keep the newest two checkpoints, and return its path.

    Args:
        folder: of all checkpoints of one run.
        step: steps done.
        key: of the run; a checkpoint of another run is refused when loading.
        modules: weights by owner.
        players: whose optimiser states are saved.
        extra: what else JSON can hold.

    Raises:
        CheckpointError: the disk does not take it; older checkpoints are untouched.
    """
    tensors = _collect(modules, players)
    target = folder / f"step-{step:09d}"
    aside = folder / f".writing-{step:09d}-{os.getpid()}"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        save_file(tensors, aside / "state.safetensors")
        _write_synced(aside / "state.json", json.dumps({"step": step, **extra}))
        write_manifest(aside, key)
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        size = sum(tensor.nbytes for tensor in tensors.values())
        raise CheckpointError(
            f"cannot write the checkpoint of step {step} into {folder}: {error}. It needs {size / 1e6:.1f} MB free; "
            "older checkpoints are untouched. Free some space, or set COURSEWORK_RUNS to another folder."
        ) from None
    for old in sorted(folder.glob("step-*"))[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    for stray in folder.glob(".writing-*"):
        shutil.rmtree(stray, ignore_errors=True)
    return target


def load_newest(
    folder: Path,
    key: str,
    modules: Mapping[str, nn.Module],
    players: Mapping[str, Player],
    say: Callable[[str], None],
) -> dict[str, Any] | None:
    """Restore the newest checkpoint that can be trusted and return its `state.json`; None when there is no checkpoint.

    Args:
        folder: of all checkpoints of one run.
        key: of the run.
        modules: filled in place.
        players: whose optimisers are filled in place.
        say: told, in a sentence each, which checkpoints were passed over and why.

    Raises:
        CheckpointError: there are checkpoints and none can be trusted.
    """
    candidates = sorted(folder.glob("step-*"), reverse=True)
    for candidate in candidates:
        try:
            read_manifest(candidate, key)
            tensors = load_file(candidate / "state.safetensors")
            state = json.loads((candidate / "state.json").read_text(encoding="utf-8"))
            if not isinstance(state, dict) or type(state.get("step")) is not int or state["step"] < 0:
                raise CheckpointError("its state.json names no step")
            _restore(tensors, modules, players)
        except (CheckpointError, SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
            say(f"checkpoint {candidate.name} is passed over: {error}")
            continue
        return state
    if candidates:
        raise CheckpointError(
            f"none of the {len(candidates)} checkpoints in {folder} can be trusted. Remove the folder to train anew."
        )
    return None


def write_manifest(folder: Path, key: str) -> None:
    """Record size and SHA-256 of every file in `folder`; written last, so that its presence means completeness.

    Names that begin with a dot are left out: locks, and what a killed process was writing.
    """
    files = sorted(path for path in folder.glob("[!.]*") if path.is_file() and path.name != "manifest.json")
    for path in files:
        sync(path)
    entries = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files}
    aside = folder / ".manifest"
    _write_synced(aside, json.dumps({"format": FORMAT, "key": key, "files": entries}, indent=1))
    aside.replace(folder / "manifest.json")
    sync(folder)


def read_manifest(folder: Path, key: str, needed: Iterable[str] = ("state.json", "state.safetensors")) -> None:
    """Nothing, when the folder is complete, undamaged and of the run `key`.

    Args:
        folder: with a manifest and the files that it lists.
        key: of the run.
        needed: files that must be among them.

    Raises:
        CheckpointError: says which file is missing, changed or foreign.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        entries = {name: (entry["bytes"], entry["sha256"]) for name, entry in manifest["files"].items()}
        written = (manifest["format"], manifest["key"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError("its manifest is missing or unreadable, so it was never finished") from None
    if written[0] != FORMAT:
        raise CheckpointError(f"its format is {written[0]!r}, this version reads {FORMAT}")
    if written[1] != key:
        raise CheckpointError(f"it belongs to run {written[1]!r}, not to {key!r}")
    for name in needed:
        if name not in entries:
            raise CheckpointError(f"its manifest does not list {name}")
    for name, (size, digest) in entries.items():
        path = folder / Path(name).name
        if not path.is_file():
            raise CheckpointError(f"{name} is missing")
        if path.stat().st_size != size:
            raise CheckpointError(f"{name} has {path.stat().st_size} bytes, its manifest says {size}")
        if _sha256(path) != digest:
            raise CheckpointError(f"{name} does not have the SHA-256 of its manifest: it was changed or damaged")


def sync(path: Path) -> None:
    """Make sure that a file's content, or a folder's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _collect(modules: Mapping[str, nn.Module], players: Mapping[str, Player]) -> dict[str, Tensor]:
    tensors = {
        f"module/{owner}/{name}": t for owner, module in modules.items() for name, t in module.state_dict().items()
    }
    for prefix, state, _ in _optimizer_states(players):
        tensors |= {f"{prefix}/{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _restore(tensors: dict[str, Tensor], modules: Mapping[str, nn.Module], players: Mapping[str, Player]) -> None:
    expected = {
        f"module/{owner}/{name}": t for owner, module in modules.items() for name, t in module.state_dict().items()
    }
    for name, tensor in expected.items():
        if name not in tensors:
            raise CheckpointError(f"it has no tensor {name}")
        if tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
            found = f"{tuple(tensors[name].shape)} {tensors[name].dtype}"
            raise CheckpointError(f"{name} is {found}, the model needs {tuple(tensor.shape)} {tensor.dtype}")
    for name, tensor in expected.items():
        tensor.copy_(tensors[name])
    for prefix, state, device in _optimizer_states(players):
        state.clear()
        for name, value in tensors.items():
            if name.startswith(prefix + "/"):
                state[name.removeprefix(prefix + "/")] = value.to(device) if value.dim() else value
    torch.set_rng_state(tensors["random/cpu"])
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])


def _optimizer_states(players: Mapping[str, Player]) -> list[tuple[str, dict[str, Any], torch.device]]:
    """A stable name, the live state and the device of every parameter of every optimiser."""
    return [
        (f"optimizer/{name}/{i}/{j}", optimizer.state[parameter], parameter.device)
        for name, player in players.items()
        for i, optimizer in enumerate(player.optimizers)
        for j, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"])
    ]


def _write_synced(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    sync(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
