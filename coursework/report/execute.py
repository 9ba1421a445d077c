"""Notebooks executed by papermill, one process each, side by side; published only when every cell ran."""

import collections
import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from coursework.errors import BuildError, CourseworkError, SetupError
from coursework.interruption import at_once
from coursework.report import notebook
from coursework.report.console import Say
from coursework.report.doctor import kernel_problem
from coursework.report.plan import Task, plan
from coursework.report.sources import code_cells, project_root, read_sources

CELL_SECONDS = {"fast": 600, "cpu": 3600, "full": 24 * 3600}
"""The longest that one cell may run, by profile."""

_EXECUTING = re.compile(r"Executing Cell (\d+)")
_ERROR = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b")
_HEARTBEAT = 20.0
_PATIENCE = 10.0
_DEAD_KERNEL = 138  # papermill's exit status for it


def status(profile: str, *, root: Path | None = None) -> list[Task]:
    """For each page, whether its executed notebook in `build/<profile>/` still holds, and if not, why.

    Raises:
        ConfigError: no such profile.
    """
    root = project_root(root)
    return plan(read_sources(root), profile, [staged(root, profile)])


def staged(root: Path, profile: str) -> Path:
    """The folder in which the book of a profile is put together."""
    return root / "build" / profile / "book"


def execute(tasks: Sequence[Task], target: Path, *, root: Path, say: Say, jobs: int | None = None) -> None:
    """Run the tasks' notebooks and put each, cleaned and stamped, at `target/<page>.ipynb`.

    A page that fails leaves what it got to as `<page>.failed.ipynb` in `target/../failed`; the others still
    finish.

    Raises:
        SetupError: the kernel python3 would be another interpreter than this one.
        BuildError: one or more pages did not run to their end; names page, cell and remedy.
    """
    if not tasks:
        return
    if problem := kernel_problem():
        raise SetupError(problem)
    for task in tasks:  # hashed as they are now, and in this thread: CPython before 3.11.5 cannot parse in two at once
        _ = task.source.cells, task.source.modules
    workers = min(len(tasks), jobs or os.cpu_count() or 1)
    say(f"executing {len(tasks)} page{'s' * (len(tasks) > 1)}, {workers} at a time")
    failures: list[str] = []
    children = _Children()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, children.ended_on_exit():
        left = {pool.submit(_execute_page, task, target, root, say, children): task for task in _longest_first(tasks)}
        while left:
            done, _ = concurrent.futures.wait(left, _HEARTBEAT, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                name = left.pop(future).source.name
                try:
                    future.result()
                except (CourseworkError, OSError) as error:
                    full = f"{name}: cannot write below {target.parent}: {error}. Free some space, and run it again."
                    failures.append(full if isinstance(error, OSError) else str(error))
                    say(f"{name}: FAILED")
            if not done:
                say(", ".join(f"{name}: {where}" for name, where in sorted(children.progress.items())))
    if failures:
        raise BuildError("\n".join(failures))


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Environment of a kernel: this interpreter, one thread, the same bytes from the same figures.

    Nothing of the user's own set-up of IPython and matplotlib gets in; what IPython stores goes to `scratch`.
    One thread, so that a number does not depend on how many pages happen to run beside it; `OMP_NUM_THREADS`
    in the environment wins.
    """
    env = {key: value for key, value in os.environ.items() if key != "COURSEWORK_PROFILE"}
    here = str(Path(sys.prefix) / "share" / "jupyter")
    env["JUPYTER_PATH"] = os.pathsep.join([here, *filter(None, [env.get("JUPYTER_PATH")])])
    env.setdefault("OMP_NUM_THREADS", "1")
    env |= {"IPYTHONDIR": str(scratch), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    env |= {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "COURSEWORK_PROGRESS": "0"}
    return env | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}


class _Children:
    """The papermill processes now running, so that none outlives this one; `progress` is page → place."""

    def __init__(self) -> None:
        self.progress: dict[str, str] = {}
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, command: list[str], **options: object) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise BuildError("interrupted.")
            child = subprocess.Popen(command, **options)  # type: ignore[call-overload]
            self._running.add(child)
        return child

    def done(self, child: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(child)

    @contextlib.contextmanager
    def ended_on_exit(self) -> Iterator[None]:
        """Ends every child when the block is left by an exception, SIGTERM included."""
        with at_once():
            try:
                yield
            except BaseException:
                with self._lock:
                    self._closed = True
                    running = list(self._running)
                _end(running)
                raise


def _end(children: Sequence[subprocess.Popen[str]]) -> None:
    """Ask with SIGINT, then kill: whoever was started in a shell's background does not hear SIGINT."""
    for child in children:
        child.send_signal(signal.SIGINT)
    until = time.monotonic() + _PATIENCE
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def _longest_first(tasks: Sequence[Task]) -> list[Task]:
    """Pages that train before pages that do not, so that the last to finish starts first."""
    return sorted(tasks, key=lambda task: (task.source.experiment is None, task.source.name))


def _execute_page(task: Task, target: Path, root: Path, say: Say, children: _Children) -> None:
    name, start = task.source.name, time.monotonic()
    failed = target.parent / "failed" / f"{name}.failed.ipynb"
    work = target.parent / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="page-", dir=work, ignore_cleanup_errors=True) as folder:
        output = Path(folder) / "executed.ipynb"
        problem = _run_papermill(task, Path(folder), root, children)
        executed = notebook.read(output)
        if executed is not None:
            executed, noise = notebook.clean(executed, root)
            for line in noise:
                say(f"{name}: stderr: {line}")
        if problem is None and executed is not None:
            try:
                executed = notebook.stamped(executed, task.source, task.profile, task.parameters)
            except BuildError as error:
                problem = str(error)
    if problem is not None or executed is None:
        if executed is not None:
            notebook.write_text(failed, notebook.as_text(executed))
        kept = f" What ran is in {failed.relative_to(root)}." if executed is not None else ""
        raise BuildError(f"{problem or f'{name}: papermill left no notebook.'}{kept}")
    notebook.write_text(target / f"{name}.ipynb", notebook.as_text(notebook.with_prose(task.source, executed)))
    failed.unlink(missing_ok=True)
    say(f"{name}: done in {time.monotonic() - start:.0f} s")


def _run_papermill(task: Task, folder: Path, root: Path, children: _Children) -> str | None:
    """Run papermill on the page; None if it says that all went well, else what went wrong and what to do."""
    name = task.source.name
    numbers = _cell_numbers(task)
    notebook.write_text(folder / "page.ipynb", notebook.as_text(task.source.notebook))
    notebook.write_text(folder / "parameters.yaml", yaml.safe_dump(task.parameters, allow_unicode=True))
    arguments = "page.ipynb executed.ipynb --kernel python3 --parameters_file parameters.yaml"
    options = f"--no-progress-bar --log-output --execution-timeout {CELL_SECONDS[task.profile]} --cwd"
    child = children.start(
        [sys.executable, "-m", "papermill", *arguments.split(), *options.split(), str(root)],
        cwd=folder,
        env=kernel_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    cell, tail = 0, collections.deque[str](maxlen=200)
    with child:
        for line in child.stderr or ():
            tail.append(line.rstrip())
            if match := _EXECUTING.match(line):
                cell = numbers.get(int(match[1]), cell)
                children.progress[name] = f"code cell {cell} of {len(numbers)}"
        code = child.wait()
    children.done(child)
    children.progress.pop(name, None)
    return None if code == 0 else _diagnosis(name, cell, code, "\n".join(tail), task.profile)


def _cell_numbers(task: Task) -> Mapping[int, int]:
    """From papermill's number of a cell (of all cells, the injected one too) to that of the code cell."""
    own = code_cells(task.source.notebook)
    out: dict[int, int] = {}
    position = 0
    for cell in task.source.notebook.cells:
        position += 1
        if any(cell is one for one in own):
            out[position] = len(out) + 1
        if "parameters" in cell.metadata.get("tags", []):
            position += 1
    return out


def _diagnosis(name: str, cell: int, code: int, log: str, profile: str) -> str:
    where = f"{name}, code cell {cell}" if cell else f"{name}, before its first cell"
    if code == _DEAD_KERNEL or "DeadKernelError" in log:
        return (
            f"{where}: the kernel was killed, most often for want of memory. Run fewer pages side by side "
            "(--jobs 1), choose a smaller profile, or close other programs."
        )
    if "CellTimeoutError" in log:
        return (
            f"{where}: ran for more than {CELL_SECONDS[profile]} s, the limit of profile {profile}. Choose a "
            "smaller profile or a faster machine; training goes on from its last checkpoint next time."
        )
    if code < 0:
        return f"{where}: papermill was ended by signal {-code}. Run it again; memory may have run out."
    lines = [line for line in notebook.without_codes(log).splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return f"{where}: {(errors or lines or ['papermill failed'])[-1]}"
