"""Sweeps: a grid of configs, each executed once as an ordinary run, side by side on Dask, into one tidy table.

On a laptop `sweep` starts worker processes of its own; elsewhere it takes a scheduler by its address, with whatever
workers are behind it, as long as they see the same folder of runs. A worker that dies loses nothing but the time since
the last checkpoint: Dask hands its run to another worker, and `runs.run` resumes it there.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import torch

from coursework.errors import ConfigError, CourseworkError, SetupError
from coursework.experiments.registry import configure
from coursework.runs import run, runs_folder

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)

RUN_BYTES = 2 * 2**30
"""Memory set aside for a worker when their number is chosen: torch's libraries, a data set, a model."""

_PATIENCE = 10.0
"""Seconds in which a scheduler has to answer."""

_ONE_AT_A_TIME = threading.Lock()
"""Held by the run that a process makes: torch's random state belongs to the whole process."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one config.

    Attributes:
        config: what was run.
        key: of the run; empty when it failed.
        metrics: final numbers by name; none when it failed.
        cpu_seconds: what the run cost when it was made, which may have been before this sweep.
        error: why there is no run, in a sentence; empty when there is one.
        exit_code: of the error; 0 when there is none.
        said: what the run had to say meanwhile, such as where it was resumed.
    """

    config: Any
    key: str = ""
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cpu_seconds: float = float("nan")
    error: str = ""
    exit_code: int = 0
    said: tuple[str, ...] = ()


def grid(name: str, profile: str, axes: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Every combination of the axes' values as a validated config, the last axis changing fastest.

    Raises:
        ConfigError: an unknown experiment, profile or field, a value that is not allowed, an axis without values or
            with one twice.

    >>> [(c.latent_dim, c.seed) for c in grid("ad", "fast", {"latent_dim": [8, 16], "seed": [0, 1]})]
    [(8, 0), (8, 1), (16, 0), (16, 1)]
    """
    for field, values in axes.items():
        if not values:
            raise ConfigError(f"parameter {field}: give at least one value.")
        if len(set(values)) < len(values):
            raise ConfigError(f"parameter {field}: a value is given twice among {', '.join(map(str, values))}.")
    points = itertools.product(*axes.values())
    return [configure(name, profile, **dict(zip(axes, point, strict=True))) for point in points]


def sweep(
    configs: Sequence[Any],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    checkpoint_seconds: float = 30.0,
) -> list[Outcome]:
    """The outcome of every config, in order; a run that fails is reported and does not stop the others.

    Every run has one thread, so its bytes do not depend on how many run beside it. In a script, call this under
    `if __name__ == "__main__":`, since local workers are fresh processes that import it.

    Args:
        configs: validated, of any experiments.
        scheduler: address (`tcp://host:8786`) or scheduler file of a running Dask cluster whose workers have this
            package and this folder of runs; None for worker processes on this machine.
        workers: number of local ones; None for as many as cores and memory allow.
        checkpoint_seconds: time between a run's checkpoints: what is lost with a worker.

    Raises:
        SetupError: Dask is not installed, or the scheduler does not answer.
    """
    if not configs:
        return []
    outcomes: list[Outcome | None] = [None] * len(configs)
    with _quiet_dask(), _client(scheduler, workers, len(configs)) as client:
        from distributed import as_completed

        folder = str(runs_folder().resolve())
        futures = client.map(_one_run, configs, folder=folder, checkpoint_seconds=checkpoint_seconds, pure=False)
        places = {future.key: place for place, future in enumerate(futures)}
        for number, future in enumerate(as_completed(futures), 1):
            place = places[future.key]
            outcome = _outcome(configs[place], future)
            outcomes[place] = outcome
            for sentence in outcome.said:
                _log.info("%s", sentence)
            _log.info("%d of %d: %s", number, len(configs), outcome.error or f"run {outcome.key}")
    return [outcome for outcome in outcomes if outcome is not None]


def outcome_table(outcomes: Sequence[Outcome], fields: Sequence[str]) -> pd.DataFrame:
    """One row per run: the fields that were varied, the run's key, its metrics, its cost, and why there is none.

    >>> list(outcome_table([Outcome(configure("ad", "fast"), "ab", {"test_mse": 0.5})], ["seed"]).columns)
    ['seed', 'run', 'test_mse', 'cpu_seconds', 'error']
    """
    rows = [
        {field: getattr(outcome.config, field) for field in fields}
        | {"run": outcome.key, **outcome.metrics, "cpu_seconds": outcome.cpu_seconds, "error": outcome.error}
        for outcome in outcomes
    ]
    table = pd.DataFrame(rows)
    last = ["cpu_seconds", "error"]
    return table[[column for column in table.columns if column not in last] + last]


def write_table(table: pd.DataFrame, configs: Sequence[Any], path: Path | None = None) -> Path:
    """Write the table as CSV, by default into the folder of runs, under a name that this very sweep finds again.

    Raises:
        SetupError: the file cannot be written.
    """
    if path is None:
        values = json.dumps([dataclasses.asdict(config) for config in configs], sort_keys=True)
        experiment = type(configs[0]).__module__.rpartition(".")[2]
        path = runs_folder() / f"sweep-{experiment}-{hashlib.sha256(values.encode()).hexdigest()[:8]}.csv"
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(aside, index=False, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise SetupError(f"cannot write the table {path}: {error.strerror or error}. Choose another file.") from None
    return path


def local_workers(num_runs: int) -> int:
    """Worker processes for `num_runs` runs here: no more than cores, than memory holds, and than there are runs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // RUN_BYTES, num_runs))


@contextlib.contextmanager
def _quiet_dask() -> Iterator[None]:
    """Dask's account of connections made and closed stays out of the log; its warnings do not."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _client(scheduler: str | None, workers: int | None, num_runs: int) -> Iterator["Client"]:
    """A client of the scheduler at this address, or of a cluster on this machine that ends with it."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise SetupError("a sweep needs Dask: pip install 'coursework[cluster]'.") from None
    if scheduler is None:
        count = workers or local_workers(num_runs)
        share = psutil.virtual_memory().available // count
        cluster = LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, memory_limit=share, dashboard_address=":0"
        )
        try:
            with Client(cluster) as client:
                _log.info("%d runs on %d workers, one thread each", num_runs, count)
                yield client
        finally:
            with contextlib.suppress(TimeoutError):  # on a busy machine: workers slow to end have been killed by then
                cluster.close()
        return
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    try:
        client = Client(**where, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"scheduler = {scheduler!r}: no Dask scheduler answers there ({error}). Start one with `dask scheduler` "
            "and give its address, or leave it out for workers on this machine."
        ) from None
    with client:
        _log.info("%d runs on the %d workers of %s", num_runs, len(client.ncores()), scheduler)
        yield client


def _one_run(config: Any, *, folder: str, checkpoint_seconds: float) -> Outcome:
    """Executed by a worker: the run itself, on one thread, in the sweep's folder of runs."""
    with _ONE_AT_A_TIME, _alone_in(folder), _listening() as said:
        try:
            finished = run(config, checkpoint_seconds=checkpoint_seconds)
        except CourseworkError as error:
            return Outcome(config, error=str(error), exit_code=error.exit_code, said=tuple(said))
        cost = finished.provenance["cpu_seconds"]["total"]
        return Outcome(config, finished.key, finished.metrics, cost, said=tuple(said))


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """One thread and this folder of runs inside, what there was before outside."""
    before, threads = os.environ.get("COURSEWORK_RUNS"), torch.get_num_threads()
    os.environ["COURSEWORK_RUNS"] = folder
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ["COURSEWORK_RUNS"]
        else:
            os.environ["COURSEWORK_RUNS"] = before


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What `runs` logs inside, sentence by sentence."""
    said: list[str] = []
    logger, handler = logging.getLogger(run.__module__), logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _outcome(config: Any, future: Any) -> Outcome:
    """What a future brought, or why it brought nothing."""
    from distributed import KilledWorker

    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        return Outcome(
            config,
            error="its worker died again and again, probably for want of memory: use fewer workers. The run goes on "
            "from its last checkpoint.",
            exit_code=SetupError.exit_code,
        )
    raise error
