"""The notebook sources: which pages there are, their parameters, and the code each one stands on."""

import ast
import dataclasses
import functools
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode

from coursework.errors import BuildError, ConfigError
from coursework.experiments.registry import EXPERIMENTS, check_name
from coursework.provenance import code_hash, imported_modules, source_hashes

PARAMETERS_TAG = "parameters"

INJECTED_TAG = "injected-parameters"

_HEADER = "its header must name format_name: myst, and kernelspec python3 with language: python"


@dataclasses.dataclass(frozen=True)
class Source:
    """One page as it is written: nothing executed.

    Attributes:
        name: folder and file without ending, such as `wet/auto_decoder`; the same in the book.
        path: the MyST Markdown file.
        notebook: the page as a notebook without outputs.
        defaults: names and values of the cell tagged `parameters`.
        experiment: the name given to `begin(globals(), NAME)`, None on a page without an experiment.
    """

    name: str
    path: Path
    notebook: NotebookNode
    defaults: dict[str, Any]
    experiment: str | None

    @property
    def part(self) -> str:
        """The part of the report, such as `wet`."""
        return self.name.partition("/")[0]

    @functools.cached_property
    def cells(self) -> tuple[str, ...]:
        """Hash of each code cell, in order. Comments and layout do not count."""
        return tuple(cell_hash(cell.source) for cell in code_cells(self.notebook))

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        """Module → hash of its code, for all that the code cells import or name, directly or not."""
        code = "\n".join(cell.source for cell in code_cells(self.notebook))
        return source_hashes(imported_modules(code) | _named_experiments(code))


def project_root(start: Path | None = None) -> Path:
    """The folder with `_config.yml` and `notebooks/`, at or above `start` (default: the working folder).

    Raises:
        ConfigError: there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_config.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise ConfigError(f"no report at or above {start}: run this inside the checkout that holds _config.yml.")


def read_sources(root: Path) -> list[Source]:
    """Every page under `notebooks/`, part by part in order of name.

    Raises:
        BuildError: a page that is not a MyST notebook, or whose parameters are not plain literals.
    """
    paths = sorted((root / "notebooks").glob("*/*.md"))
    if not paths:
        raise BuildError(f"there is no page in {root / 'notebooks'}: expected notebooks/<part>/<page>.md.")
    return [read_source(path) for path in paths]


def read_source(path: Path) -> Source:
    """One page.

    Raises:
        BuildError: not a MyST notebook, no parameters cell, parameters that are not plain literals, or code
            that is not plain Python.
    """
    name = f"{path.parent.name}/{path.stem}"
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8-sig"), fmt="md:myst")
        kernel = notebook.metadata.get("kernelspec", {})
    except Exception as error:  # jupytext raises whatever its parsers raise
        raise BuildError(f"{name} cannot be read as a notebook ({error}): {_HEADER}.") from error
    if kernel.get("name") != "python3" or kernel.get("language") != "python":
        raise BuildError(f"{name} names the kernel {kernel.get('name')!r}: {_HEADER}.")
    tree = {}
    for number, cell in enumerate(code_cells(notebook), 1):
        try:
            tree[number] = ast.parse(cell.source)
        except SyntaxError as error:
            raise BuildError(f"{name}, code cell {number} is not plain Python: {error}.") from error
    return Source(name, path, notebook, _parameters(name, notebook), _experiment(list(tree.values())))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells of a page that hold code of its own: neither empty nor injected by papermill."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return [cell for cell in cells if INJECTED_TAG not in cell.metadata.get("tags", [])]


def cell_hash(source: str) -> str:
    """Hash of a cell's code; a final semicolon, which silences the output, and a bare string count.

    >>> cell_hash("x  # why") == cell_hash("x") != cell_hash("x;")
    True
    """
    silent = source.rstrip().endswith(";")
    return code_hash(f"{silent}\n{source}")


def chosen(sources: list[Source], names: list[str] | None) -> list[Source]:
    """The pages called `names`, all of them for None.

    Raises:
        ConfigError: no page has such a name.
    """
    known = [source.name for source in sources]
    for name in names or []:
        check_name("page", name, known)
    return [source for source in sources if names is None or source.name in names]


def _parameters(name: str, notebook: NotebookNode) -> dict[str, Any]:
    cells = [cell for cell in notebook.cells if PARAMETERS_TAG in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise BuildError(f"{name} has {len(cells)} code cells tagged {PARAMETERS_TAG!r}: it needs exactly one.")
    out: dict[str, Any] = {}
    for statement in ast.parse(cells[0].source).body:
        try:
            (target,) = statement.targets
            out[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, TypeError, ValueError):
            raise BuildError(
                f"{name}: the parameters cell must hold plain literals, one `name = value` a line, and no "
                f"more; found {ast.unparse(statement)!r}."
            ) from None
    if "profile" not in out:
        raise BuildError(f"{name}: the parameters cell has no `profile`.")
    return out


def _experiment(trees: list[ast.Module]) -> str | None:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "begin":
                for argument in [*node.args[1:], *(keyword.value for keyword in node.keywords)]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        return argument.value
    return None


def _named_experiments(code: str) -> set[str]:
    """Modules of the experiments that the code calls by name: they are imported on demand."""
    constants = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    return {EXPERIMENTS[value] for value in constants if isinstance(value, str) and value in EXPERIMENTS}
