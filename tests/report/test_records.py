"""The executed notebooks of record are those of the sources: only prose may have changed since."""

import os
import re

import pytest

from coursework.report import checks, notebook
from coursework.report.plan import stale_code
from coursework.report.sources import project_root, read_sources

ROOT = project_root()
SOURCES = read_sources(ROOT)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_page_has_a_record_made_by_the_code_as_it_is(source):
    stamp = notebook.stamp_of(notebook.read(ROOT / "book" / f"{source.name}.ipynb"))
    assert stamp is not None, f"{source.name} has no sound record: run coursework report --record"
    assert stale_code(source, stamp) == [], f"run coursework report --record for {source.name}"


def test_there_is_no_record_without_a_page():
    records = {path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in (ROOT / "book").rglob("*.ipynb")}
    assert records == {source.name for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_record_gives_nothing_away(source):
    path = ROOT / "book" / f"{source.name}.ipynb"
    assert path.is_file(), f"{source.name} has no record: run coursework report --record"
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= notebook.MAX_BYTES
    assert not [what for secret, what in notebook.private_names(ROOT).items() if secret in text]
    named = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY")
    assert not [name for name, value in os.environ.items() if named.search(name) and len(value) > 6 and value in text]
    for pattern, what in checks._MARKS.items():
        assert not re.search(pattern, text), what
