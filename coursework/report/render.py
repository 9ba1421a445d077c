"""The book rendered by Jupyter Book: HTML always, one PDF per part where TeX is installed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from coursework.errors import BuildError, SetupError
from coursework.provenance import source_hashes
from coursework.report import notebook
from coursework.report.doctor import TEX_PROGRAMS

_RENDERERS = ("jupyter-book", "sphinx", "myst-nb", "myst-parser", "sphinx-book-theme", "sphinxcontrib-bibtex")
_NOT_STAGED = {".ipynb_checkpoints", "__pycache__", "conftest.py", "decisions"}
_LOG_LINES = 15


def stage(root: Path, target: Path, pages: Iterable[str]) -> None:
    """Make `target/book` the book of `root` without its notebooks of record; the configuration beside it.

    Only files that differ are written, so that Sphinx knows what changed.

    Raises:
        BuildError: the table of contents names a page that is nowhere, or leaves one out.
    """
    book, pages = root / "book", set(pages)
    _check_contents(book, pages)
    wanted = {
        path.relative_to(book)
        for path in book.rglob("*")
        if path.is_file() and path.suffix != ".ipynb" and not _NOT_STAGED & set(path.relative_to(book).parts)
    }
    for path in wanted:
        _copy(book / path, target / "book" / path)
    _copy(root / "_config.yml", target / "_config.yml")
    keep = wanted | {Path(f"{page}.ipynb") for page in pages}
    for path in sorted((target / "book").rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(target / "book") not in keep:
            path.unlink()


def fingerprint(target: Path) -> str:
    """Hash of all that the rendering depends on: the staged files, our extension, the tools' versions."""
    digest = hashlib.sha256()
    files = [target / "_config.yml", *sorted((target / "book").rglob("*"))]
    for path in files:
        if path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    digest.update(repr(sorted(source_hashes(["coursework.report.sphinx_ext"]).items())).encode())
    digest.update(repr([_version(name) for name in _RENDERERS]).encode())
    return digest.hexdigest()


def parts(config: Path) -> list[str]:
    """The documents that become PDFs, such as `wet`, from `pdf_parts` in the configuration."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    return [part["doc"] for part in settings["sphinx"]["config"]["pdf_parts"]]


def missing_tex() -> list[str]:
    """Programs that the PDFs need and that are not on the PATH."""
    return [name for name in TEX_PROGRAMS if shutil.which(name) is None]


def html(target: Path) -> None:
    """Render `target/book` to `target/html`. A warning is an error.

    Raises:
        BuildError: with the lines of the log that matter.
    """
    _jupyter_book(target, "html")
    fresh, old = target / ".html.new", target / ".html.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    made = target / "_build" / "html"
    try:
        shutil.copytree(made, fresh, ignore=shutil.ignore_patterns(".buildinfo"))
        if (target / "html").exists():
            (target / "html").rename(old)
        fresh.rename(target / "html")
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        raise BuildError(
            f"cannot write {target / 'html'}: {_reason(error)}. It needs {size / 1e6:.1f} MB free. The old one, if "
            "any, is as it was."
        ) from None
    shutil.rmtree(old, ignore_errors=True)


def pdfs(target: Path) -> list[Path]:
    """Render `target/book` to one PDF per part in `target`, and return them. A warning is an error.

    Raises:
        BuildError: with the lines of the log that matter.
    """
    _jupyter_book(target, "pdflatex")
    made = []
    for name in parts(target / "_config.yml"):
        source, final = target / "_build" / "latex" / f"{name}.pdf", target / f"{name}.pdf"
        if not source.is_file():
            raise BuildError(f"TeX left no {source}: see {source.with_suffix('.log')}.")
        with notebook.replacing(final) as temporary:
            shutil.copyfile(source, temporary)
        made.append(final)
    return made


def check_jupyter_book() -> None:
    """Nothing, if Jupyter Book 1 is installed.

    Raises:
        SetupError: it is missing, or version 2, which is another program.
    """
    installed = _version("jupyter-book")
    if installed is None:
        raise SetupError("jupyter-book is not installed: run `make report`, or pip install -e '.[book]'.")
    if not installed.startswith("1."):
        raise SetupError(
            f"jupyter-book {installed} is installed: version 2 is another program, which does not read "
            "_config.yml. Run pip install 'jupyter-book==1.0.4.post1'."
        )


def _jupyter_book(target: Path, builder: str) -> None:
    check_jupyter_book()
    log = target / f"{builder}.log"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", "book", "-n", "-W", "--keep-going", "--builder", builder]
    try:
        with log.open("w", encoding="utf-8") as out:
            code = subprocess.run(
                command,
                cwd=target,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
    except OSError as error:
        raise BuildError(f"jupyter-book could not be run: {error}.") from error
    if code != 0:
        lines = _telling_lines(target, builder, log)
        # Sphinx warns about a page only when it reads it, and latexmk does not try the same file twice.
        for leftover in (".doctrees", "html" if builder == "html" else "latex"):
            shutil.rmtree(target / "_build" / leftover, ignore_errors=True)
        raise BuildError("\n".join([f"the {builder} build failed; {log} says more:", *lines]))


def _environment() -> dict[str, str]:
    """For Sphinx and TeX: the same bytes every time, no shell, no file outside the build and TeX's own."""
    env = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    tex = {"shell_escape": "f", "openin_any": "p", "openout_any": "p", "max_print_line": "1000"}
    tex |= {"LATEXMKOPTS": "-halt-on-error -interaction=nonstopmode", "MAKEFLAGS": "-j2"}
    tex |= {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
    return env | tex | {"PYTHONUTF8": "1", "NO_COLOR": "1"}


def _telling_lines(target: Path, builder: str, log: Path) -> list[str]:
    """The warnings and errors of a failed build, the log's last lines if it has none."""
    text = notebook.without_codes(log.read_text(encoding="utf-8", errors="replace"))
    lines = [line.replace(f"{target}{os.sep}", "") for line in text.splitlines() if line.strip()]
    found = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|Exception|Error)\b", line)]
    if builder == "pdflatex":
        for path in sorted((target / "_build" / "latex").glob("*.log")):
            texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [number for number, line in enumerate(texts) if line.startswith("! ")]
            found += [f"{path.name}: {' '.join(texts[number : number + 3])}" for number in errors[:3]]
    return (found or lines)[-_LOG_LINES:]


def _check_contents(book: Path, pages: set[str]) -> None:
    contents = book / "_toc.yml"
    try:
        listed = set(_files(yaml.safe_load(contents.read_text(encoding="utf-8"))))
    except (OSError, yaml.YAMLError) as error:
        raise BuildError(f"cannot read {contents}: {error}.") from error
    for name in sorted(pages - listed):
        raise BuildError(f"notebooks/{name}.md is not in book/_toc.yml: add `- file: {name}` to its part.")
    for name in sorted(listed - pages):
        if not (book / f"{name}.md").is_file():
            raise BuildError(f"book/_toc.yml lists {name}: neither notebooks/ nor book/ has {name}.md.")


def _files(entry: object) -> Iterable[str]:
    if isinstance(entry, dict):
        yield from (entry[key] for key in ("file", "root") if key in entry)
        for value in entry.values():
            yield from _files(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _files(value)


def _reason(error: OSError) -> str:
    """Why the file system refused; of a whole tree, why it refused the first file."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][2])
    return str(error.strerror or error)


def _copy(source: Path, target: Path) -> None:
    data = source.read_bytes()
    if not target.is_file() or target.read_bytes() != data:
        with notebook.replacing(target) as temporary:
            temporary.write_bytes(data)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def load_built(target: Path) -> dict[str, str]:
    """Fingerprints of what `target` was last rendered from: `html`, `pdf`."""
    try:
        built = json.loads((target / "built.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return built if isinstance(built, dict) else {}
