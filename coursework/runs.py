"""Runs: a config executed once, kept in a folder of its own, found again by its key, resumed after a crash."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from coursework.errors import CheckpointError, NonFiniteError, SetupError
from coursework.interruption import put_off
from coursework.provenance import source_hashes, versions
from coursework.training.checkpoint import load_newest, read_manifest, save_checkpoint, write_manifest
from coursework.training.device import device_name, resolve_device
from coursework.training.loop import Record, fit
from coursework.training.precision import prepared
from coursework.training.progress import progress_bar
from coursework.training.task import Task

_Label = TypeVar("_Label")
_log = logging.getLogger(__name__)
_MACHINERY = ("coursework.training.loop", "coursework.training.precision", "coursework.training.task")
_FILES = ("arrays.safetensors", "config.json", "metrics.json", "metrics.jsonl", "model.safetensors", "provenance.json")


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
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise SetupError(f"COURSEWORK_RUNS = {chosen!r}: {error} Set it to a folder by its full path.") from None
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


def finished(configs: Mapping[_Label, Any]) -> dict[_Label, Run]:
    """Label → run, for those of `configs` whose run is complete and undamaged; `run(config)` makes the others."""
    keys = {label: run_key(config) for label, config in configs.items()}
    runs = {label: Run(config, keys[label], _folder(config, keys[label])) for label, config in configs.items()}
    return {label: one for label, one in runs.items() if _is_complete(one.path, one.key)}


def run(config: Any, *, checkpoint_seconds: float = 30.0) -> Run:
    """The finished run of `config`: found, resumed from its newest checkpoint, or made.

    Checkpoints are written between records, every 50 steps at the most. On one machine, with the same versions and
    number of threads, a CPU run interrupted anywhere and resumed ends with the bytes of an uninterrupted one. A second
    process that asks for the same run waits for the first. In the main thread the first SIGINT or SIGTERM during
    training ends it after the next checkpoint, within ten seconds; a second one ends it at once.

    Args:
        config: a validated config of an experiment.
        checkpoint_seconds: time between checkpoints.

    Raises:
        DataError, DeviceError: before training, when what the config needs is absent.
        NonFiniteError: a loss or a weight is not finite.
        CheckpointError: the disk does not take a checkpoint or a result.
        SetupError: the folder for runs cannot be written, or losses are to be compiled and there is no compiler.
        Interrupted: a signal asked to end; the run goes on from its last checkpoint when asked for again.
    """
    key = run_key(config)
    path = _folder(config, key)
    if _is_complete(path, key):
        return Run(config, key, path)
    with _alone(path):
        if not _is_complete(path, key):
            _execute(config, key, path, checkpoint_seconds)
    return Run(config, key, path)


def _execute(config: Any, key: str, path: Path, checkpoint_seconds: float) -> None:
    """Train, evaluate and write everything, the manifest last."""
    began = time.process_time()
    with _seeded(config.seed):
        task = _ready(config)
        start, spent, log_bytes = 0, 0.0, 0
        try:
            state = load_newest(path / "checkpoints", key, task.modules, task.players, _log.warning)
        except CheckpointError as error:
            _log.warning("%s Training starts again.", error)
            torch.manual_seed(config.seed)  # as if this were the first attempt
            task = _ready(config)
            state = None
        if state is not None:
            start, spent, log_bytes = state["step"], state["cpu_seconds"], state["log_bytes"]
            _log.info("resuming %s at step %d of %d", path.name, start, task.num_steps)
        with (
            _log_file(path / "metrics.jsonl", log_bytes) as write_record,
            progress_bar(task.num_steps, path.name, start) as bar,
            put_off() as signals,
        ):
            saved, saved_at = start, time.monotonic()

            def batches(step: int) -> Any:
                if signals.overdue:
                    raise signals.interruption(
                        f"{path.name} ended at step {step} of {task.num_steps}; its last checkpoint is of step {saved}."
                    )
                return task.batches(step)

            def on_log(done: int, record: Record) -> None:
                nonlocal saved, saved_at
                write_record(record)
                bar.update(done - bar.n)
                due = time.monotonic() - saved_at >= checkpoint_seconds
                if due or done == task.num_steps or signals.number is not None:
                    _check_weights(task.modules, done)
                    extra = {
                        "cpu_seconds": spent + time.process_time() - began,
                        "log_bytes": write_record.size,
                    }
                    save_checkpoint(path / "checkpoints", done, key, task.modules, task.players, extra)
                    saved, saved_at = done, time.monotonic()
                if signals.number is not None:
                    raise signals.interruption(
                        f"{path.name} ended at step {done} of {task.num_steps}; its checkpoint is saved."
                    )

            fit(task.players, batches, task.num_steps, start=start, modules=task.modules, on_log=on_log)
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
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        with _writing(path / f"{name}.json", len(text)):
            (path / f"{name}.json").write_text(text, encoding="utf-8")
    with _writing(path / "manifest.json", 0):
        write_manifest(path, key)
    shutil.rmtree(path / "checkpoints", ignore_errors=True)


def _build(config: Any) -> Task:
    return sys.modules[type(config).__module__].build(config)


def _folder(config: Any, key: str) -> Path:
    return runs_folder() / f"{type(config).__module__.rpartition('.')[2]}-{key}"


def _ready(config: Any) -> Task:
    """The task, as fast as the config asks for."""
    device = resolve_device(getattr(config, "device", "auto"))
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if getattr(config, "compiled", False) and device.type == "cpu" and shutil.which(compiler.split()[0]) is None:
        raise SetupError(
            f"parameter compiled = True: there is no C++ compiler {compiler!r} on this machine. Install one (Debian: "
            "apt install g++), name yours in CXX, or leave compiled out."
        )
    return prepared(_build(config), config, device)


def _is_complete(path: Path, key: str) -> bool:
    try:
        if not (path / "manifest.json").is_file():
            return False
        read_manifest(path, key, _FILES)
    except OSError:  # a name too long, a folder that may not be looked into: said when it is to be written
        return False
    except CheckpointError as error:
        _log.warning("run %s is made again: %s", path.name, error)
        return False
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds a run's folder against other processes; waits for whoever holds it. A dead holder holds nothing."""
    lock = FileLock(path / ".lock")
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another process makes %s: waiting for it", path.name)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise SetupError(
            f"cannot write runs into {path.parent}: {getattr(error, 'strerror', None) or error}. Set COURSEWORK_RUNS "
            "to a folder that can be written."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _writing(path: Path, size: int) -> Iterator[None]:
    """Says of what the disk does not take that it is this file, of `size` bytes."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot write {path}: {error}. It needs {size / 1e6:.3f} MB free; the last checkpoint is untouched. Free "
            "some space, or set COURSEWORK_RUNS to another folder."
        ) from None


def _check_weights(modules: Mapping[str, nn.Module], step: int) -> None:
    """Nothing, if every weight is finite: a gradient can break them under a loss that is still sound."""
    for owner, module in modules.items():
        for name, weight in module.named_parameters():
            if not torch.isfinite(weight.detach()).all():
                raise NonFiniteError(
                    f"{owner}.{name} is not finite after step {step}, under a finite loss: a gradient was not. The "
                    "last checkpoint is untouched. Lower the rate, or check the data's range."
                )


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
        self._path = path
        with _writing(path, size):
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(size)
            self._file.seek(size)

    def __call__(self, record: Record) -> None:
        line = (json.dumps(record) + "\n").encode()
        with _writing(self._path, self.size + len(line)):
            done = 0
            while done < len(line):  # a disk that is almost full takes a part
                done += self._file.write(line[done:])
        self.size += len(line)

    def close(self) -> None:
        with _writing(self._path, self.size), self._file:
            os.fsync(self._file.fileno())


@contextlib.contextmanager
def _log_file(path: Path, size: int) -> Iterator[_RecordWriter]:
    writer = _RecordWriter(path, size)
    try:
        yield writer
    finally:
        writer.close()


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with _writing(path, sum(tensor.nbytes for tensor in own.values())):
        save_file(own, path)
