"""Sweeps: grids that are checked first, failures that are reported, and a killed worker that changes no byte."""

import contextlib
import dataclasses
import json
import logging
import os
import re
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from coursework.cli import main
from coursework.errors import ConfigError, SetupError
from coursework.experiments import configure
from coursework.runs import run, run_key
from coursework.sweep import grid, local_workers, outcome_table, sweep, write_table

distributed = pytest.importorskip("distributed")

TINY = {
    "dataset": ["digits"],
    "num_train": [40],
    "num_test": [10],
    "channels": [2],
    "copies": [0],
    "batch_size": [8],
    "settle_steps": [5],
    "test_steps": [5],
}
FILES = ("model.safetensors", "arrays.safetensors", "metrics.json", "metrics.jsonl", "config.json")


@pytest.fixture(scope="module")
def threads():
    """A cluster inside this process: quick, for what does not need a process to die."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        yield cluster


def test_a_grid_holds_every_combination_once_in_order():
    configs = grid("vad-normal", "fast", {"family": ["normal", "laplace"], "beta": [1, 2.5], "seed": [0, 1, 2]})
    assert len({run_key(config) for config in configs}) == 12
    assert [(c.family, c.beta, c.seed) for c in configs[:4]] == [
        ("normal", 1, 0),
        ("normal", 1, 1),
        ("normal", 1, 2),
        ("normal", 2.5, 0),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "--seed", "0"], "did you mean 'ad'"),
        (["ad", "--profile", "fats"], "did you mean 'fast'"),
        (["ad", "--latent-dim", "8", "0"], "latent_dim = 0"),
        (["ad", "--latent-dim", "8", "07"], "leading zeros"),
        (["ad", "--seed", "1", "1"], "a value is given twice"),
        (["ad", "--widths", "64", "64,0"], "widths = (64, 0)"),
        (["vad-normal", "--family", "normal", "laplac"], "family = 'laplac'"),
        (["ad", "--seed", "0", "--workers", "0"], "workers = 0"),
    ],
)
def test_a_bad_value_anywhere_in_the_grid_stops_it_before_anything_starts(arguments, said, capsys, runs_folder):
    assert main(["sweep", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not runs_folder.exists()


def test_an_unknown_field_is_refused_by_the_parser(capsys, runs_folder):
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", "ad", "--latent-dmi", "3"])
    assert stopped.value.code == 2


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, runs_folder):
    monkeypatch.setattr("coursework.sweep._PATIENCE", 0.2)
    with pytest.raises(SetupError, match=r"tcp://127\.0\.0\.1:9"):
        sweep([configure("ad", "fast")], scheduler="tcp://127.0.0.1:9")


def test_workers_are_bounded_by_cores_memory_and_runs(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)))
    memory = psutil.virtual_memory()
    for free, runs, expected in ((64, 100, 16), (64, 3, 3), (9, 100, 4), (0.5, 100, 1)):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: memory._replace(available=int(free * 2**30)))
        assert local_workers(runs) == expected


def test_a_run_that_fails_is_a_row_and_stops_no_other(threads, runs_folder, tmp_path):
    good = grid("ad", "fast", {**TINY, "epochs": [2], "latent_dim": [2, 3]})
    bad = dataclasses.replace(good[0], latent_dim=65)  # more coordinates than a digit has pixels
    outcomes = sweep([good[0], bad, good[1]], scheduler=threads.scheduler_address)
    assert [outcome.exit_code for outcome in outcomes] == [0, ConfigError.exit_code, 0]
    path = write_table(outcome_table(outcomes, ["latent_dim"]), good, tmp_path / "table.csv")
    table = pd.read_csv(path)
    assert table["latent_dim"].tolist() == [2, 65, 3]
    assert table["run"].tolist()[::2] == [run_key(config) for config in good]
    assert "latent_dim = 65" in table["error"][1]
    for place, config in ((0, good[0]), (2, good[1])):
        assert table["test_mse"][place] == pytest.approx(run(config).metrics["test_mse"], rel=1e-12)


def test_the_command_writes_one_table_and_finds_what_is_finished(threads, runs_folder, capsys, tmp_path):
    scheduler = tmp_path / "scheduler.json"
    scheduler.write_text(json.dumps({"type": "Scheduler", "address": threads.scheduler_address}), encoding="utf-8")
    options = [f"--{k.replace('_', '-')}={v[0]}" for k, v in TINY.items()]
    command = ["sweep", "ad", "--profile", "fast", *options, "--epochs", "1", "--latent-dim", "2", "3"]
    assert main([*command, "--scheduler", str(scheduler)]) == 0
    first = capsys.readouterr().out
    (path,) = runs_folder.glob("sweep-*.csv")
    assert str(path) in first
    assert pd.read_csv(path)["latent_dim"].tolist() == [2, 3]
    assert main([*command, "--scheduler", threads.scheduler_address]) == 0
    assert capsys.readouterr().out == first  # cost included: nothing was run again


@pytest.mark.slow
def test_twelve_runs_with_a_worker_killed_end_in_the_bytes_of_a_serial_sweep(runs_folder, monkeypatch, caplog):
    configs = grid(
        "ad", "fast", {**TINY, "epochs": [40], "latent_dim": [2, 3, 4], "rate": [1e-3, 2e-3], "seed": [0, 1]}
    )
    serial = [contents(run(config).path) for config in configs]
    monkeypatch.setenv("COURSEWORK_RUNS", str(runs_folder.with_name("swept")))
    caplog.set_level(logging.INFO, "coursework")
    killed: list[Path] = []
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
    with distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        killer = threading.Thread(target=kill_one_in_the_middle, args=(pids, killed))
        killer.start()
        outcomes = sweep(configs, scheduler=cluster.scheduler_address, checkpoint_seconds=0.0)
        killer.join()
    with contextlib.suppress(TimeoutError):  # a busy machine
        cluster.close()
    assert len(killed) == 1
    assert f"resuming {killed[0].name} at step" in caplog.text
    assert [outcome.error for outcome in outcomes] == [""] * 12
    assert [contents(run(config).path) for config in configs] == serial
    assert [outcome.metrics for outcome in outcomes] == [run(config).metrics for config in configs]


def kill_one_in_the_middle(pids, killed):
    """SIGKILL to the first worker seen with a run that has a checkpoint."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for process in map(psutil.Process, pids):
            for file in process.open_files():
                folder = Path(file.path).parent
                if file.path.endswith(".lock") and list(folder.glob("checkpoints/step-*")):
                    process.send_signal(signal.SIGKILL)
                    killed.append(folder)
                    return
        time.sleep(0.005)


def contents(path):
    return {name: (path / name).read_bytes() for name in FILES}


def test_the_documented_slurm_cluster_asks_for_single_threads():
    pytest.importorskip("dask_jobqueue")
    page = (Path(__file__).parents[1] / "book" / "scale_out.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "SLURMCluster" in block)
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 3}):
        made: dict = {}
        exec(code.split("cluster.scale")[0], made)  # starting jobs takes a Slurm
        with made["cluster"] as cluster:
            script = cluster.job_script()
    assert "#SBATCH" in script
    assert "--nthreads 1 " in script
    assert "COURSEWORK_DATA" in script
