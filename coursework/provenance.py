"""Where a number comes from: the code it depends on, hashed; the versions and the machine, named.

A hash covers what a module *does*: comments, docstrings and layout are left out, so that editing prose never
makes a result stale, and editing a model makes stale what imports it, however far up.
"""

import ast
import functools
import hashlib
import importlib.util
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "coursework"
NUMERIC_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "sympy")


def imported_modules(source: str, module: str = "") -> set[str]:
    """Modules of this package that `source` imports, read from its syntax tree; nothing is executed.

    A package's `__init__` counts where a name is taken from it, not where it is only on the way to a submodule:
    ours hold registries and re-exports, which change no number.

    Args:
        source: Python code.
        module: dotted name of the module it comes from, for relative imports; empty for a notebook's code.

    >>> sorted(imported_modules("from coursework.data import load"))
    ['coursework.data']
    >>> sorted(imported_modules("from coursework.data import idx"))
    ['coursework.data.idx']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".") if _is_package(module) else module.split(".")[:-1]
                parent = parent[: len(parent) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            members = {f"{base}.{alias.name}" for alias in node.names}
            names = {member if _is_module(member) else base for member in members}
        else:
            continue
        found |= {name for name in names if _is_module(name)}
    return found


def closure(modules: Iterable[str]) -> tuple[str, ...]:
    """The modules themselves and every module of the package that they import, directly or not, sorted."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        path = _path(name)
        if path is None:
            msg = f"{name} is not a module of {PACKAGE}"
            raise ModuleNotFoundError(msg)
        seen.add(name)
        todo.extend(_imports_of(path, name))
    return tuple(sorted(seen))


def source_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Module name → hash of its code, for the whole `closure` of `modules`."""
    return {name: _module_hash(path) for name in closure(modules) if (path := _path(name)) is not None}


def code_hash(source: str) -> str:
    """Sixteen hexadecimal digits over the code's syntax tree, without comments, docstrings and layout.

    >>> code_hash("x = 1  # one") == code_hash("x=1")
    True
    """
    return hashlib.sha256(_dump(ast.parse(source)).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    out = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in NUMERIC_PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "absent"
    return out


def _path(module: str) -> Path | None:
    """File of a module of this package, without importing it."""
    parts = module.split(".")
    spec = importlib.util.find_spec(parts[0])
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(next(iter(spec.submodule_search_locations))).joinpath(*parts[1:])
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _is_module(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and _path(name) is not None


def _is_package(module: str) -> bool:
    path = _path(module)
    return path is not None and path.name == "__init__.py"


def _imports_of(path: Path, module: str) -> frozenset[str]:
    return _cached_imports(path, path.stat().st_mtime_ns, module)


@functools.lru_cache(maxsize=512)
def _cached_imports(path: Path, _mtime: int, module: str) -> frozenset[str]:
    return frozenset(imported_modules(path.read_text(encoding="utf-8"), module))


def _module_hash(path: Path) -> str:
    return _cached_hash(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=512)
def _cached_hash(path: Path, _mtime: int) -> str:
    return code_hash(path.read_text(encoding="utf-8"))


def _dump(node: object) -> str:
    """The tree as text, the same for every Python version: empty fields and docstrings are left out."""
    if isinstance(node, ast.AST):
        fields = []
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = _without_docstring(value)
            if value is None or value == []:
                continue
            fields.append(f"{name}={_dump(value)}")
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body
