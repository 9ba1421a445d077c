"""The report from end to end: execute what is stale, stage the book, render HTML and PDFs."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coursework.errors import BuildError, BusyError, ConfigError
from coursework.report import checks, execute, notebook, render
from coursework.report.console import Say, say_to_stderr, show
from coursework.report.plan import Task, plan
from coursework.report.sources import Source, chosen, project_root, read_sources


def report(
    profile: str,
    *,
    record: bool = False,
    parameters: Mapping[str, Any] | None = None,
    pages: Sequence[str] | None = None,
    jobs: int | None = None,
    pdf: bool = True,
    root: Path | None = None,
    say: Say | None = None,
) -> int:
    """Bring `build/<profile>/` up to date: `html/`, and a PDF per part where TeX is installed. Returns 0.

    Args:
        profile: fast, cpu or full.
        record: also refresh the executed notebooks of record in `book/`.
        parameters: values for the parameters of those pages that have them.
        pages: the only pages that may be executed, such as `wet/auto_decoder`; the others are shown as they
            are, from this build or else from the record. None for all.
        jobs: pages executed side by side; default the number of cores.
        pdf: False for HTML only.
        root: the checkout; default the one around the working folder.
        say: where progress goes; default stderr.

    Raises:
        ConfigError: a page, profile or parameter that does not exist, or a value out of its range.
        BusyError: another process builds this profile.
        BuildError: a page did not run to its end, or the book could not be rendered; what there was stays.
    """
    if jobs is not None and (isinstance(jobs, bool) or not 1 <= jobs <= 64):
        raise ConfigError(f"jobs = {jobs!r}: give a whole number from 1 to 64.")
    root, say = project_root(root), say or say_to_stderr()
    sources = read_sources(root)
    target = execute.staged(root, profile)
    records = [root / "book"] if record else []
    tasks = plan(chosen(sources, list(pages) if pages else None), profile, [target, *records], parameters)
    render.check_jupyter_book()
    with _alone(target.parent):
        for task in tasks:
            if task.reasons:
                say(f"{task.source.name}: {_in_short(task.reasons)}")
        execute.execute([task for task in tasks if not task.fresh], target, root=root, say=say, jobs=jobs)
        _refresh_prose(tasks, target)
        _show_the_rest(sources, tasks, root, target)
        if record:
            _keep_record(tasks, root, target, say)
        _render(root, target.parent, sources, pdf, say)
    return 0


def print_status(profile: str, *, root: Path | None = None) -> int:
    """Write a table of the pages to stdout: what has to run again, and why. Returns 0."""
    root = project_root(root)
    tasks = execute.status(profile, root=root)
    width = max(len(task.source.name) for task in tasks)
    for task in tasks:
        state, why = "stale", _in_short(task.reasons)
        if task.executed is not None:
            now = notebook.with_prose(task.source, task.executed)
            same = notebook.as_text(now) == notebook.as_text(task.executed)
            state, why = ("fresh", "") if same else ("prose", "new text; nothing has to run")
        show(f"{task.source.name:<{width}}  {state}  {why}".rstrip())
    return 0


def print_checks(profile: str, *, root: Path | None = None) -> int:
    """Write the problems of the finished build of a profile to stdout. Returns 0 if there are none."""
    root = project_root(root)
    return checks.print_problems(execute.staged(root, profile).parent, root=root)


def _in_short(reasons: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(reasons[:3]) + more


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the build folder of a profile against other processes."""
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"another process builds {folder}: wait for it, or end it.") from None
    except (OSError, NotImplementedError) as error:
        raise BuildError(f"cannot write {folder}: {getattr(error, 'strerror', None) or error}.") from None
    try:
        yield
    finally:
        lock.release()


def _refresh_prose(tasks: Sequence[Task], target: Path) -> None:
    for task in tasks:
        if task.executed is not None:
            text = notebook.as_text(notebook.with_prose(task.source, task.executed))
            notebook.write_text(target / f"{task.source.name}.ipynb", text)


def _show_the_rest(sources: Sequence[Source], tasks: Sequence[Task], root: Path, target: Path) -> None:
    """Stage the pages that were left out, as they were last executed."""
    done = {task.source.name for task in tasks}
    for source in sources:
        name = f"{source.name}.ipynb"
        if source.name in done or notebook.stamp_of(notebook.read(target / name)):
            continue
        recorded = notebook.read(root / "book" / name)
        if recorded is None or notebook.stamp_of(recorded) is None:
            raise ConfigError(f"{source.name} was never executed, and the book needs it: choose all pages.")
        notebook.write_text(target / name, notebook.as_text(recorded))


def _keep_record(tasks: Sequence[Task], root: Path, target: Path, say: Say) -> None:
    for task in tasks:
        name = f"{task.source.name}.ipynb"
        if notebook.write_text(root / "book" / name, (target / name).read_text(encoding="utf-8")):
            say(f"recorded book/{name}")


def _render(root: Path, target: Path, sources: Sequence[Source], pdf: bool, say: Say) -> None:
    render.stage(root, target, [source.name for source in sources])
    now, built = render.fingerprint(target), render.load_built(target)
    index = target / "html" / "index.html"
    finished = [target / f"{name}.pdf" for name in render.parts(target / "_config.yml")]
    if built.get("html") == now and index.is_file():
        say("HTML: nothing changed")
    else:
        say("HTML: rendering")
        _forget(target, built, "html")
        render.html(target)
        _remember(target, built, "html", now)
    if not pdf:
        finished = []
    elif missing := render.missing_tex():
        say(f"no PDF: {', '.join(missing)} not found; `make report` installs TeX on Debian and Ubuntu")
        finished = []
    elif built.get("pdf") == now and all(path.is_file() for path in finished):
        say("PDF: nothing changed")
    else:
        say("PDF: rendering")
        _forget(target, built, "pdf")
        render.pdfs(target)
        _remember(target, built, "pdf", now)
    say("done: " + ", ".join(str(path.relative_to(root)) for path in [index, *finished]))


def _remember(target: Path, built: dict[str, str], kind: str, value: str) -> None:
    built[kind] = value
    notebook.write_text(target / "built.json", json.dumps(built))


def _forget(target: Path, built: dict[str, str], kind: str) -> None:
    built.pop(kind, None)
    notebook.write_text(target / "built.json", json.dumps(built))
