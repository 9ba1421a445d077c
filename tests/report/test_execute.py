"""Notebooks that go wrong, each in its own way; one start-up for all of them."""

import os
import pathlib
import signal
import threading
import time

import pytest

from coursework.errors import BuildError, SetupError
from coursework.report import execute, notebook, plan, sources
from coursework.report.sources import read_sources

FAULTS = {
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "leaves": "raise SystemExit(0)",
    "slow": "import time\ntime.sleep(60)",
    "wrong": "1 / 0",
}


@pytest.fixture(scope="module")
def faulty(make, tmp_path_factory):
    """(checkout, message, lines of progress) after a run of pages of which only one is sound."""
    cells = {name: make.page(make.cell("print('before')"), make.cell(code)) for name, code in FAULTS.items()}
    pages = {f"wet__{name}": text for name, text in cells.items()} | {"dry__sound": make.page(make.cell("2 + 2"))}
    root, lines = make.write_project(tmp_path_factory.mktemp("faulty") / "sp ace é", **pages), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "source_hashes", lambda modules: lines.append(threading.current_thread().name) or {})
        patch.setitem(execute.CELL_SECONDS, "fast", 3)
        patch.setattr(execute, "_HEARTBEAT", 0.5)
        target = execute.staged(root, "fast")
        tasks = plan.plan(read_sources(root), "fast", [target])
        with pytest.raises(BuildError) as caught:
            execute.execute(tasks, target, root=root, say=lines.append)
    return root, str(caught.value), lines


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("killed", "wet/killed, code cell 3: the kernel was killed, most often for want of memory"),
        ("leaves", "wet/leaves did not run to its end: code cell 3"),
        ("slow", "wet/slow, code cell 3: ran for more than 3 s, the limit of profile fast"),
        ("wrong", "wet/wrong, code cell 3: ZeroDivisionError: division by zero"),
    ],
)
def test_a_fault_names_page_cell_and_cause_and_is_not_published(faulty, name, message):
    root, text, _ = faulty
    assert message in text
    assert not (execute.staged(root, "fast") / "wet" / f"{name}.ipynb").exists()


def test_sources_are_hashed_before_the_threads_begin(faulty):
    _, _, lines = faulty
    hashed = [place for place, line in enumerate(lines) if line == threading.main_thread().name]
    assert len(hashed) == len(FAULTS) + 1
    assert max(hashed) < next(place for place, line in enumerate(lines) if line.startswith("executing"))
    assert not [line for line in lines if line.startswith("ThreadPoolExecutor")]


@pytest.mark.parametrize("name", FAULTS)
def test_what_ran_before_the_fault_is_kept(faulty, name):
    root, text, _ = faulty
    kept = root / "build" / "fast" / "failed" / "wet" / f"{name}.failed.ipynb"
    page = notebook.read(kept)
    assert "before" in notebook.as_text(page)
    assert notebook.stamp_of(page) is None
    assert str(kept.relative_to(root)) in text


def test_the_other_pages_still_finish(faulty):
    root, _, lines = faulty
    page = notebook.read(execute.staged(root, "fast") / "dry" / "sound.ipynb")
    assert notebook.stamp_of(page)["page"] == "dry/sound"
    assert any(line.startswith("dry/sound: done") for line in lines)


def test_whoever_waits_hears_where_a_slow_page_is(faulty):
    assert any("wet/slow: code cell 3 of 3" in line for line in faulty[2])


def test_nothing_is_left_lying_about(faulty):
    assert list((faulty[0] / "build" / "fast" / "work").iterdir()) == []


def test_a_page_that_recovers_takes_its_failed_copy_away(faulty):
    root, _, _ = faulty
    path = root / "notebooks" / "wet" / "wrong.md"
    path.write_text(path.read_text(encoding="utf-8").replace("1 / 0", "1 / 1"), encoding="utf-8")
    target = execute.staged(root, "fast")
    tasks = [t for t in plan.plan(read_sources(root), "fast", [target]) if t.source.name == "wet/wrong"]
    execute.execute(tasks, target, root=root, say=lambda line: None)
    assert (target / "wet" / "wrong.ipynb").is_file()
    assert not (root / "build" / "fast" / "failed" / "wet" / "wrong.failed.ipynb").exists()


def test_an_interruption_ends_the_kernels(make, tmp_path):
    code = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(120)"
    root = make.write_project(tmp_path, wet__slow=make.page(make.cell(code)))
    target = execute.staged(root, "fast")
    tasks = plan.plan(read_sources(root), "fast", [target])
    started = time.monotonic()
    threading.Thread(target=_terminate_when_there, args=(root / "pid",), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        execute.execute(tasks, target, root=root, say=lambda line: None)
    assert time.monotonic() - started < 40
    assert not (target / "wet" / "slow.ipynb").exists()
    pid = int((root / "pid").read_text(encoding="utf-8"))
    assert _gone(pid, within=15)


def test_another_interpreters_kernel_is_refused(make, tmp_path, monkeypatch):
    root = make.write_project(tmp_path, wet__a=make.page())
    monkeypatch.setattr(execute, "kernel_problem", lambda: "the kernel is another's: mend it.")
    with pytest.raises(SetupError, match="another's"):
        execute.execute(plan.plan(read_sources(root), "fast", []), tmp_path, root=root, say=lambda line: None)


def test_a_kernel_gets_nothing_of_the_users_set_up(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_PROFILE", "full")
    monkeypatch.setenv("JUPYTER_PATH", "/elsewhere")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    env = execute.kernel_environment(tmp_path)
    assert "COURSEWORK_PROFILE" not in env
    assert env["JUPYTER_PATH"].endswith(":/elsewhere")
    assert env["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"
    assert env["SOURCE_DATE_EPOCH"] == "0"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert execute.kernel_environment(tmp_path)["OMP_NUM_THREADS"] == "3"


def _terminate_when_there(path):
    while not path.exists() or not path.read_text(encoding="utf-8"):
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _gone(pid, within):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            with pathlib.Path(f"/proc/{pid}/stat").open(encoding="utf-8") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.2)
    return False
