"""Row 18, and 4 and 15 where they meet a kernel: pages whose process is starved, orphaned or fed what no file takes.

A kernel that is killed, a cell that runs too long and one that leaves are in tests/report/test_execute.py.
"""

import importlib.util
import time
from pathlib import Path

import pytest

from coursework.errors import BuildError
from coursework.report import build, execute, notebook, plan
from coursework.report.sources import read_sources

pytestmark = pytest.mark.slow

FAULTS = {
    "starved": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\nx = bytearray(8 << 30)",
    "full": "import os, resource\n"
    "resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (100, 100))\nprint('x' * 10_000)",
    "orphan": "import os, pathlib, signal\npathlib.Path('orphan').write_text(str(os.getpid()))\n"
    "os.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(30)",
    "surrogate": "print('\\ud800')",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """(checkout, message) after a run of pages of which only one is sound."""
    location = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_fixtures", location)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    pages = {f"wet__{name}": make.page(make.cell("print('before')"), make.cell(code)) for name, code in FAULTS.items()}
    root = make.write_project(tmp_path_factory.mktemp("dying"), **pages, dry__sound=make.page(make.cell("2 + 2")))
    target = execute.staged(root, "fast")
    tasks = plan.plan(read_sources(root), "fast", [target])
    with pytest.raises(BuildError) as caught:
        execute.execute(tasks, target, root=root, say=lambda line: None)
    return root, str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("starved", "wet/starved, code cell 3: MemoryError"),
        ("full", "wet/full, code cell 3: OSError: [Errno 27] File too large"),
        ("orphan", "wet/orphan, code cell 3: papermill was ended by signal 9"),
    ],
)
def test_the_fault_is_named_with_its_page_and_cell(faulty, name, words):
    assert words in faulty[1]


@pytest.mark.parametrize("name", ["starved", "full", "orphan"])
def test_nothing_unfinished_is_published(faulty, name):
    target = execute.staged(faulty[0], "fast")
    assert not (target / "wet" / f"{name}.ipynb").exists()
    kept = faulty[0] / "build" / "fast" / "failed" / "wet" / f"{name}.failed.ipynb"
    assert not kept.exists() or notebook.stamp_of(notebook.read(kept)) is None


def test_a_sign_that_no_file_takes_stops_its_page_or_is_replaced(faulty):
    page = notebook.read(execute.staged(faulty[0], "fast") / "wet" / "surrogate.ipynb")
    assert page is not None or "wet/surrogate" in faulty[1]


def test_the_book_is_not_built_of_what_failed(faulty):
    with pytest.raises(BuildError, match="wet/starved"):
        build.report("fast", root=faulty[0], pdf=False, say=lambda line: None, pages=["wet/starved"])
    assert not (faulty[0] / "build" / "fast" / "html").exists()


def test_the_sound_page_finishes_and_no_kernel_outlives_its_papermill(faulty):
    page = notebook.read(execute.staged(faulty[0], "fast") / "dry" / "sound.ipynb")
    assert notebook.stamp_of(page)["page"] == "dry/sound"
    pid = int((faulty[0] / "orphan").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not Path(f"/proc/{pid}").exists()
