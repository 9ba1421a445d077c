"""The hand-in as one zip file: refused when the report is stale, checked as it will be marked, written whole."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from coursework.errors import BuildError, BusyError, ConfigError
from coursework.experiments.registry import PROFILES, check_name
from coursework.report import execute, notebook, render
from coursework.report.console import Say, say_to_stderr
from coursework.report.handin.generate import hand_in_files
from coursework.report.handin.rehearsal import check_csv, course_data, pack, rehearse
from coursework.report.plan import plan
from coursework.report.sources import project_root, read_sources

PDFS = ("wet.pdf", "dry.pdf")

_ID = re.compile(r"[0-9]{1,20}")


def submit(
    ids: Sequence[str],
    *,
    out: Path | None = None,
    profile: str = "cpu",
    data: Path | None = None,
    force: bool = False,
    root: Path | None = None,
    say: Say | None = None,
) -> Path:
    """Write `ID1-ID2.zip` and return its path: only after it has passed every check, and whole or not at all.

    Args:
        ids: of the two authors, digits only.
        out: folder of the zip file; default the working folder.
        profile: whose PDFs, from `build/<profile>/`.
        data: folder of the course's CSV files; None to make them from the data set.
        force: replace a file of that name.
        root: the checkout; default the one around the working folder.
        say: where progress goes; default stderr.

    Raises:
        ConfigError: ids that cannot be a file's name, a zip file that exists, PDFs that are missing or stale.
        DataError: no images, or CSV files that are not the course's.
        BusyError: the report is being built.
        BuildError: the hand-in fails a check, or the file system refuses.
    """
    name = zip_name(ids)
    say = say or say_to_stderr()
    target = (out or Path.cwd()) / name
    _check_target(target, force)
    if data is not None:
        check_csv(data)
    files = {program: text.encode("utf-8") for program, text in hand_in_files().items()}
    files |= fresh_pdfs(project_root(root), profile)
    archive = pack(files)
    say(f"checking {name} in an empty folder")
    if data is not None:
        verdict = rehearse(archive, data)
    else:
        with course_data() as made:
            verdict = rehearse(archive, made)
    if faults := [row for row in verdict if row["wrong"]]:
        lines = [f"{row['point']}: {row['wrong']}" for row in faults]
        raise BuildError("\n".join([f"the hand-in fails {len(faults)} of {len(verdict)} checks:", *lines]))
    _check_target(target, force)
    with notebook.replacing(target) as temporary:
        temporary.write_bytes(archive)
    say(f"{len(verdict)} checks passed; {target} holds {', '.join(sorted(files))}, PDFs of profile {profile}")
    return target


def zip_name(ids: Sequence[str]) -> str:
    """The zip file's name.

    Raises:
        ConfigError: not two ids, one that is not a number, or twice the same.

    >>> zip_name(["012345678", "9"])
    '012345678-9.zip'
    """
    if len(ids) != 2:
        raise ConfigError(f"ids = {' '.join(ids)!r}: give two, --ids ID1 ID2.")
    for one in ids:
        if not _ID.fullmatch(one):
            raise ConfigError(f"ids: {one!r} is not an id: give digits, 20 of them at most.")
    if ids[0] == ids[1]:
        raise ConfigError(f"ids: {ids[0]} is given twice: give the ids of both authors.")
    return f"{ids[0]}-{ids[1]}.zip"


def fresh_pdfs(root: Path, profile: str) -> dict[str, bytes]:
    """The PDFs of a build that shows what its pages would show if they ran now, by name.

    Raises:
        ConfigError: a PDF is missing or damaged, a page has to run again, or the text has changed since.
        BusyError: the report is being built.
        BuildError: the book's table of contents does not fit its pages.
    """
    check_name("profile", profile, PROFILES)
    staged = execute.staged(root, profile)
    folder = staged.parent
    remedy = f"Run `make report PROFILE={profile}` first, or choose another --profile."
    for name in PDFS:
        if not (folder / name).is_file():
            raise ConfigError(f"there is no {folder / name}. {remedy}")
    try:
        with FileLock(folder / ".lock", timeout=0):
            tasks = plan(read_sources(root), profile, [staged])
            stale = [f"{task.source.name}: {task.reasons[0]}" for task in tasks if task.reasons]
            if stale:
                more = f"; and {len(stale) - 3} more" if len(stale) > 3 else ""
                raise ConfigError(f"the report in {folder} is stale ({'; '.join(stale[:3])}{more}). {remedy}")
            with tempfile.TemporaryDirectory(prefix="book-") as place:
                render.stage(root, Path(place), [task.source.name for task in tasks])
                for task in tasks:
                    assert task.executed is not None
                    text = notebook.as_text(notebook.with_prose(task.source, task.executed))
                    notebook.write_text(Path(place) / "book" / f"{task.source.name}.ipynb", text)
                now = render.fingerprint(Path(place))
            if render.load_built(folder).get("pdf") != now:
                raise ConfigError(f"the PDFs in {folder} are older than the report's text. {remedy}")
            found = {name: (folder / name).read_bytes() for name in PDFS}
    except Timeout:
        raise BusyError(f"another process builds {folder}: wait for it, or end it.") from None
    for name, content in found.items():
        if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
            raise ConfigError(f"{folder / name} is not a whole PDF: remove it. {remedy}")
    return found


def _check_target(target: Path, force: bool) -> None:
    """Nothing, if the file may be written.

    Raises:
        ConfigError: it exists, or its folder is none.
    """
    if target.parent.exists() and not target.parent.is_dir():
        raise ConfigError(f"out = {target.parent} is a file: give a folder.")
    if target.is_dir() or (target.exists() and not force):
        raise ConfigError(f"{target} exists: move it away, or replace it with --force.")
