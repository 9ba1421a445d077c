"""Source hashes: blind to prose, sensitive to code, and following imports."""

import sys

import pytest

from coursework import provenance

CODE = '''
"""Module."""

def f(x: int) -> int:
    """Twice."""
    return 2 * x  # doubled
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `coursework` of our own on the path: a imports b, b imports c.d, e imports nothing."""
    root = tmp_path / "fake"
    (root / "c").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "from fake.b import thing\n",
        "b.py": "from fake.c.d import other\nthing = 1\n",
        "c/__init__.py": "from fake import e\n",
        "c/d.py": "from .. import f\nother = 2\n",
        "e.py": "",
        "f.py": CODE,
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(provenance, "PACKAGE", "fake")
    monkeypatch.syspath_prepend(tmp_path)
    yield root
    sys.modules.pop("fake", None)


def test_comments_docstrings_and_layout_do_not_count():
    other = CODE.replace("Twice", "Two times").replace("  # doubled", "").replace("\n\ndef", "\ndef")
    assert other != CODE
    assert provenance.code_hash(other) == provenance.code_hash(CODE)
    assert provenance.code_hash(CODE.replace("2 *", "3 *")) != provenance.code_hash(CODE)
    assert provenance.code_hash(CODE.replace("x: int", "x: float")) != provenance.code_hash(CODE)


def test_the_closure_follows_imports_but_not_packages_on_the_way(package):
    assert provenance.closure(["fake.a"]) == ("fake.a", "fake.b", "fake.c.d", "fake.f")
    assert provenance.closure(["fake.c"]) == ("fake.c", "fake.e")


def test_a_change_deep_down_changes_that_hash_alone(package):
    before = provenance.source_hashes(["fake.a"])
    (package / "f.py").write_text(CODE.replace("2 *", "3 *"), encoding="utf-8")
    after = provenance.source_hashes(["fake.a"])
    assert {name for name in before if before[name] != after[name]} == {"fake.f"}


def test_a_missing_module_is_named(package):
    with pytest.raises(ModuleNotFoundError, match=r"fake\.absent"):
        provenance.closure(["fake.absent"])


def test_versions_name_the_numeric_libraries():
    found = provenance.versions()
    assert found["torch"] != "absent"
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
