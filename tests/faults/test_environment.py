"""Rows 8, 12, 17, 20, 21 and 23: the surroundings that a run finds."""

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from coursework import cli, runs
from coursework.data import load
from coursework.errors import SetupError
from coursework.training.checkpoint import load_newest


def under_rights():
    """In a fork of root: rights count from here on, as the owner's, without root's privilege to pass over them."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # third version of the interface, this process
        if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) != 0:
            raise OSError(ctypes.get_errno(), "capset")


def set_rights(path, mode):
    """Of `path` and all in it; files are not executable."""
    for each in [path, *path.rglob("*")]:
        each.chmod(mode if each.is_dir() else mode & 0o666)


# 8: no data


def test_data_that_are_nowhere_are_an_instruction_and_no_run(runs_folder, fork, small, tmp_path, monkeypatch):
    from coursework.data.files import DATA_SETS

    for name in ("COURSEWORK_DATA", "COURSEWORK_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    monkeypatch.setitem(DATA_SETS, "mnist", DATA_SETS["mnist"]._replace(system=None))
    child = fork(lambda: cli.main(small.command(dataset="mnist")))
    assert child.wait() == 9
    assert "mnist" in child.text
    assert "COURSEWORK_DATA" in child.text
    assert len(child.text.splitlines()) < 30
    assert "Traceback" not in child.text
    assert not list(runs_folder.glob("*/metrics.jsonl"))


# 12: folders


@pytest.mark.usefixtures("linear")
def test_a_folder_without_the_right_to_write_is_named_but_its_results_are_read(runs_folder, fork, small):
    done = runs.run(small.tiny(epochs=2))
    set_rights(runs_folder, 0o555)
    try:
        child = fork(lambda: under_rights() or cli.main(small.command(epochs=2)))
        assert child.wait() == 0, child.text
        assert str(done.path) in child.text
        child = fork(lambda: under_rights() or cli.main(small.command(epochs=3)))
        assert child.wait() == 7
        assert "cannot write runs" in child.text
        assert "Permission denied" in child.text
        assert "COURSEWORK_RUNS" in child.text
    finally:
        set_rights(runs_folder, 0o755)


def test_a_build_folder_without_the_right_to_write_is_named(tmp_path, fork):
    from coursework.errors import BuildError
    from coursework.report import build

    def work():
        under_rights()
        with pytest.raises(BuildError, match=r"cannot write .*fast: Permission denied"), build._alone(folder):
            pass

    folder = tmp_path / "build" / "fast"
    folder.mkdir(parents=True)
    set_rights(tmp_path / "build", 0o555)
    try:
        child = fork(work)
        assert child.wait() == 0, child.text
    finally:
        set_rights(tmp_path / "build", 0o755)


@pytest.mark.usefixtures("linear")
def test_without_a_home_a_run_needs_none(runs_folder, fork, small):
    def work():
        for name in ("HOME", "COURSEWORK_CACHE", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        return cli.main(small.command(epochs=2))

    child = fork(work)
    assert child.wait() == 0, child.text


def test_a_home_that_is_not_there_is_a_sentence(small, monkeypatch):
    monkeypatch.setenv("COURSEWORK_RUNS", "~nobody-of-this-name/runs")
    with pytest.raises(SetupError, match=r"COURSEWORK_RUNS = '~nobody-of-this-name/runs'.*full path"):
        runs.run(small.tiny())


# 17: names and paths


@pytest.mark.parametrize(
    "name", ["sp ace é", "d" * 120 + "/" + "e" * 120, "$HOME;`id`&'\"", "new\nline", "-p", "%s{0}"]
)
def test_odd_folders_work(name, tmp_path, monkeypatch, small):
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / name))
    done = runs.run(small.tiny(epochs=2))
    assert done.path.parent == tmp_path / name
    assert runs.run(small.tiny(epochs=2)).metrics == done.metrics


@pytest.mark.usefixtures("linear")
def test_a_name_that_no_disk_takes_is_a_sentence(tmp_path, monkeypatch, small):
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / ("n" * 300)))
    with pytest.raises(SetupError, match=r"File name too long.*COURSEWORK_RUNS"):
        runs.run(small.tiny(epochs=2))


def test_every_name_of_a_run_is_plain(small):
    from coursework.experiments import EXPERIMENTS

    reserved = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
    for module in EXPERIMENTS.values():
        name = f"{module.rpartition('.')[2]}-{runs.run_key(small.tiny())}"
        assert name.replace("-", "").replace("_", "").isalnum()
        assert name.isascii()
        assert name.lower() == name
        assert name.partition("-")[0] not in reserved


# 20: clocks


@pytest.mark.usefixtures("linear")
def test_the_newest_checkpoint_is_that_of_the_last_step_whatever_the_clock_said(runs_folder, fork, small):
    config = small.tiny()

    def work():
        runs._save = lambda *_: os._exit(0)
        runs.run(config, checkpoint_seconds=0.0)

    assert fork(work).wait() == 0
    (path,) = runs_folder.iterdir()
    old, new = sorted((path / "checkpoints").iterdir())
    os.utime(old, (4e9, 4e9))
    os.utime(new, (0, 0))
    task = runs._build(config)
    state = load_newest(path / "checkpoints", runs.run_key(config), task.modules, task.players, pytest.fail)
    assert state["step"] == 200


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long back = 0;
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *) = 0;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int out = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec -= 1000 * ++back;
    return out;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_a_clock_that_runs_backwards_in_another_zone_changes_nothing(tmp_path, small, elsewhere, monkeypatch):
    """A library put before libc turns the clock back by 1,000 seconds whenever anybody looks at it."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(CLOCK, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    program = "import sys, time\nassert time.time() > time.time() + 500\nfrom coursework import cli, runs\n"
    program += "runs.run.__kwdefaults__['checkpoint_seconds'] = 0.0\nsys.exit(cli.main(sys.argv[1:]))"
    environment = {**os.environ, "LD_PRELOAD": str(library), "TZ": "Pacific/Kiritimati", "OMP_NUM_THREADS": "1"}
    environment["COURSEWORK_RUNS"] = str(tmp_path / "runs")
    command = [sys.executable, "-c", program, *small.command()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[0])
    assert small.contents(path) == elsewhere(small.tiny())
    spent = runs.Run(small.tiny(), "", path).provenance["cpu_seconds"]
    assert spent["total"] >= spent["training"] > 0


# 21: a device that is not there


def test_a_gpu_that_is_hidden_is_not_replaced(runs_folder, fork, small):
    def work():
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return cli.main(small.command(device="cuda"))

    if torch.cuda.is_available():
        pytest.skip("torch has looked for a GPU already")
    child = fork(work)
    assert child.wait() == 10
    assert "device = 'cuda'" in child.text
    assert not runs_folder.exists()


@pytest.mark.parametrize("device", ["mps", "cuda:7", "gpu", ""])
def test_devices_that_there_are_not_are_refused_by_name(device, runs_folder, small):
    with pytest.raises(SystemExit) as leaving:
        cli.main(small.command(device=device))
    assert leaving.value.code == 2
    assert not runs_folder.exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_want_of_memory_is_code_eight(error, runs_folder, small, monkeypatch, capsys):
    def hungry(*_arguments, **_options):
        raise error

    monkeypatch.setattr(runs, "fit", hungry)
    assert cli.main(small.command()) == cli.OUT_OF_MEMORY == 8
    assert "smaller" in capsys.readouterr().err


def test_other_errors_are_not_taken_for_want_of_memory(runs_folder, small, monkeypatch):
    def wrong(*_arguments, **_options):
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(runs, "fit", wrong)
    with pytest.raises(RuntimeError, match="size mismatch"):
        cli.main(small.command())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_limit_of_memory_is_met_with_a_sentence(runs_folder, fork, small):
    """Row 18 at the command line: the operating system refuses memory in the middle of a run."""
    import resource

    def work():
        load("digits", "train")  # before the limit: its libraries take memory too
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        room = pages * resource.getpagesize() + (32 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        return cli.main(small.command(channels=60_000, hidden="local"))

    child = fork(work)
    assert child.wait() == 8, child.text
    assert "out of memory" in child.text
    assert "Traceback" not in child.text


# 23: broken neighbours


@pytest.mark.slow
def test_a_broken_torchvision_is_explained_and_costs_nothing(tmp_path, small):
    """The CUDA build of torchvision beside the CPU build of torch: importing it raises."""
    broken = tmp_path / "site" / "torchvision" / "__init__.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("raise RuntimeError('operator torchvision::nms does not exist')\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "COURSEWORK_RUNS": str(tmp_path / "runs")}

    def coursework(*arguments):
        command = [sys.executable, "-m", "coursework.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    doctor = coursework("doctor")
    assert doctor.returncode == SetupError.exit_code
    assert "BROKEN   torchvision" in doctor.stdout
    assert "different builds" in doctor.stdout
    run = coursework(*small.command(epochs=2))
    assert run.returncode == SetupError.exit_code, textwrap.shorten(run.stderr[-500:], 500)
    assert "coursework doctor" in run.stderr
    assert "Traceback" not in run.stderr
    assert list((tmp_path / "runs").glob("ad-*/checkpoints/step-*"))
