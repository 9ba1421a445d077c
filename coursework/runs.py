"""Runs: a config executed once, kept in a folder of its own, found again by its key, resumed after a crash."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from coursework.errors import CheckpointError, SetupError
from coursework.provenance import source_hashes, versions
from coursework.training.checkpoint import load_newest, read_manifest, save_checkpoint, write_manifest
from coursework.training.device import device_name, resolve_device
from coursework.training.loop import Record, fit
from coursework.training.progress import progress_bar
from coursework.training.task import Task

_log = logging.getLogger(__name__)
_MACHINERY = ("coursework.training.loop", "coursework.training.task")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        config: what was run.
        key: hash of the config and of all that can change its numbers.
        path: its folder.
    """

    config: Any
    key: str
    path: Path

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Final numbers by name."""
        return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """Tensors that the evaluation kept: latents, reconstructions, samples."""
        return load_file(self.path / "arrays.safetensors")

    @cached_property
    def history(self) -> list[Record]:
        """Training records in order, each with its step."""
        lines = (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine, data and source hashes, and what the run cost."""
        return json.loads((self.path / "provenance.json").read_text(encoding="utf-8"))

    def modules(self) -> Mapping[str, nn.Module]:
        """The trained modules by name, on the CPU, in evaluation mode."""
        with _seeded(self.config.seed):
            task = _build(self.config)
        weights = load_file(self.path / "model.safetensors")
        for owner, module in task.modules.items():
            own = {name.removeprefix(f"{owner}/"): t for name, t in weights.items() if name.startswith(f"{owner}/")}
            module.load_state_dict(own)
            module.cpu().eval()
        return task.modules


def runs_folder() -> Path:
    """Where runs live: `COURSEWORK_RUNS`, else `runs/` in the checkout, else the user's cache folder."""
    chosen = os.environ.get("COURSEWORK_RUNS")
    if chosen:
        return Path(chosen).expanduser()
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "runs"
    return Path(platformdirs.user_cache_dir("coursework")) / "runs"


def run_key(config: Any) -> str:
    """Sixteen hexadecimal digits over the config, the code it depends on, library versions and the kind of device.

    The code includes the table of the data files' SHA-256, which loading verifies, so a key names its data too.
    """
    values = dataclasses.asdict(config)
    device = resolve_device(values.pop("device", "auto")).type
    parts = {
        "experiment": type(config).__module__,
        "config": values,
        "sources": source_hashes([type(config).__module__, *_MACHINERY]),
        "versions": versions(),
        "device": device,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def run(config: Any, *, checkpoint_seconds: float = 30.0) -> Run:
    """The finished run of `config`: found, resumed from its newest checkpoint, or made.

    Checkpoints are written between records, every 50 steps at the most. On one machine, with the same versions and
    number of threads, a CPU run interrupted anywhere and resumed ends with the bytes of an uninterrupted one. A second
    process that asks for the same run waits for the first.

    Args:
        config: a validated config of an experiment.
        checkpoint_seconds: time between checkpoints.

    Raises:
        DataError, DeviceError: before training, when what the config needs is absent.
        NonFiniteError: a loss is not finite.
        CheckpointError: the disk does not take a checkpoint.
        SetupError: the folder for runs cannot be written.
    """
    key = run_key(config)
    name = type(config).__module__.rpartition(".")[2]
    path = runs_folder() / f"{name}-{key}"
    if _is_complete(path, key):
        return Run(config, key, path)
    _make_folder(path)
    with FileLock(path / ".lock"):
        if not _is_complete(path, key):
            _execute(config, key, path, checkpoint_seconds)
    return Run(config, key, path)


def _execute(config: Any, key: str, path: Path, checkpoint_seconds: float) -> None:
    """Train, evaluate and write everything, the manifest last."""
    began = time.process_time()
    with _seeded(config.seed):
        task = _build(config)
        start, spent, log_bytes = 0, 0.0, 0
        try:
            state = load_newest(path / "checkpoints", key, task.modules, task.players, _log.warning)
        except CheckpointError as error:
            _log.warning("%s Training starts again.", error)
            task = _build(config)
            state = None
        if state is not None:
            start, spent, log_bytes = state["step"], state["cpu_seconds"], state["log_bytes"]
            _log.info("resuming %s at step %d of %d", path.name, start, task.num_steps)
        with (
            _log_file(path / "metrics.jsonl", log_bytes) as write_record,
            progress_bar(task.num_steps, path.name, start) as bar,
        ):
            saved_at = time.monotonic()

            def on_log(done: int, record: Record) -> None:
                nonlocal saved_at
                write_record(record)
                bar.update(done - bar.n)
                if done == task.num_steps or time.monotonic() - saved_at >= checkpoint_seconds:
                    extra = {
                        "cpu_seconds": spent + time.process_time() - began,
                        "log_bytes": write_record.size,
                    }
                    save_checkpoint(path / "checkpoints", done, key, task.modules, task.players, extra)
                    saved_at = time.monotonic()

            fit(task.players, task.batches, task.num_steps, start=start, modules=task.modules, on_log=on_log)
        training = spent + time.process_time() - began
        if task.finish is not None:
            task.finish()
        metrics, arrays = task.evaluate()
    total = spent + time.process_time() - began
    tensors = {f"{owner}/{n}": t for owner, module in task.modules.items() for n, t in module.state_dict().items()}
    _save(path / "model.safetensors", tensors)
    _save(path / "arrays.safetensors", arrays)
    provenance = {
        "key": key,
        "cpu_seconds": {"training": training, "total": total},
        "threads": torch.get_num_threads(),
        "device": device_name(resolve_device(getattr(config, "device", "auto"))),
        "versions": versions(),
        "payload": dict(task.payload),
        "sources": source_hashes([type(config).__module__, *_MACHINERY]),
    }
    for name, content in (
        ("config", dataclasses.asdict(config)),
        ("metrics", metrics),
        ("provenance", provenance),
    ):
        (path / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_manifest(path, key)
    for checkpoint in (path / "checkpoints").glob("*/*"):
        checkpoint.unlink()
    for folder in (path / "checkpoints").glob("*"):
        folder.rmdir()


def _build(config: Any) -> Task:
    return sys.modules[type(config).__module__].build(config)


def _is_complete(path: Path, key: str) -> bool:
    if not (path / "manifest.json").is_file():
        return False
    try:
        read_manifest(path, key)
    except CheckpointError as error:
        _log.warning("run %s is made again: %s", path.name, error)
        return False
    return True


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".lock").touch()
    except OSError as error:
        raise SetupError(
            f"cannot write runs into {path.parent}: {error.strerror or error}. Set COURSEWORK_RUNS to a folder that "
            "can be written."
        ) from None


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's random state from `seed` inside, the caller's again outside."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class _RecordWriter:
    """Appends records to a JSON-lines file; knows how many bytes are safely in it."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(size)
        self._file.seek(size)

    def __call__(self, record: Record) -> None:
        self.size += self._file.write((json.dumps(record) + "\n").encode())
        self._file.flush()

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


@contextlib.contextmanager
def _log_file(path: Path, size: int) -> Iterator[_RecordWriter]:
    writer = _RecordWriter(path, size)
    try:
        yield writer
    finally:
        writer.close()


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, path)
