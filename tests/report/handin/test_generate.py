"""The hand-in's files are the package's modules, but for imports and annotations, and stand by themselves."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coursework.errors import BuildError
from coursework.report.handin import generate
from coursework.report.handin.rehearsal import pack, rehearse

ALL = generate.MODULES | generate.COURSE | generate.CHECKER


def without_annotations(text):
    """The syntax tree as text, no imports, no annotations."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if hasattr(node, "body") and isinstance(node.body, list):
            node.body = [one for one in node.body if not isinstance(one, ast.Import | ast.ImportFrom)]
    return ast.dump(tree)


@pytest.mark.parametrize(("name", "module"), ALL.items())
def test_a_file_does_what_its_module_does(name, module):
    text = generate.program(module)
    source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
    assert without_annotations(text) == without_annotations(source)
    assert "jaxtyping" not in text
    assert not [line for line in text.splitlines() if len(line) > 120 or "noqa" in line or "type: ignore" in line]


def test_nothing_foreign_is_imported_and_what_is_would_be_found():
    files = generate.hand_in_files()
    assert generate.foreign_imports(files) == {}
    files["AutoDecoder.py"] += "\nimport scipy.stats\nfrom torchvision import datasets\n"
    files["training.py"] += "\ndef f():\n    from seaborn import heatmap\n"
    assert generate.foreign_imports(files) == {
        "AutoDecoder.py": ["scipy", "torchvision"],
        "training.py": ["seaborn"],
    }


def test_a_module_that_needs_more_of_the_package_is_refused():
    with pytest.raises(BuildError, match=r"imports coursework.conditionals, which the hand-in does not hold"):
        generate.program("coursework.models.autodecoder")


def test_the_files_are_in_good_style(tmp_path):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    for name, text in (generate.hand_in_files() | generate.harness_files()).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    local = ", ".join(f'"{name}"' for name in generate.MODULES | generate.COURSE)
    rules = ["--select", "E,F,I,UP,W", "--line-length", "120", "--config", f"lint.isort.known-first-party=[{local}]"]
    for command in (["check", *rules], ["format", "--check", "--line-length", "120"]):
        done = subprocess.run([ruff, *command, "--isolated", tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.fixture
def files():
    return {name: text.encode() for name, text in generate.hand_in_files().items()}


def test_the_hand_in_passes_where_the_package_is_unknown(files, csv, small):
    verdict = rehearse(pack(files), csv, small)
    assert [row for row in verdict if row["wrong"]] == []
    assert verdict[0]["point"].startswith("1 ")
    assert len(verdict) == 16


def test_a_program_that_reaches_for_the_package_behind_our_back_fails(files, csv, small):
    files["AutoDecoder.py"] += b'\n__import__("course" + "work")\n'
    with pytest.raises(BuildError, match="No module named 'coursework'"):
        rehearse(pack(files), csv, small)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("AutoDecoder.py", b"import coursework\n", "not self-contained: AutoDecoder.py imports coursework"),
        ("../training.py", b"", "side by side"),
        ("data/training.py", b"", "side by side"),
    ],
)
def test_hand_ins_that_cannot_be_marked(files, csv, small, name, content, said):
    with pytest.raises(BuildError, match=said):
        rehearse(pack(files | {name: content}), csv, small)


def test_equal_files_make_equal_archives(files):
    assert pack(files) == pack(dict(reversed(files.items())))
    assert shutil.which("python") is None or pack(files) != pack(files | {"optim.py": b""})
