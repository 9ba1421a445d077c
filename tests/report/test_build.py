"""The report from end to end on a small book, HTML only; the PDFs are in test_pdf.py."""

import json
import time

import pytest
from bs4 import BeautifulSoup
from filelock import FileLock

from coursework.errors import BuildError, BusyError, ConfigError, SetupError
from coursework.report import build, checks, execute, notebook, render


def rebuild(root, **options):
    """Build again; the lines of progress."""
    lines = []
    assert build.report("fast", root=root, pdf=False, say=lines.append, **options) == 0
    return lines


def page(root, name):
    return BeautifulSoup((root / "build" / "fast" / "html" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def edit(root, name, old, new):
    path = root / "notebooks" / f"{name}.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_pages_show_what_their_cells_computed(built):
    wet, dry = page(built[0], "wet/a").find("article"), page(built[0], "dry/b").find("article")
    assert "fast 0 1 ." in wet.get_text()
    assert "x^{2}" in dry.get_text()


def test_outputs_are_as_a_terminal_leaves_them_and_stderr_goes_to_the_log(built):
    root, lines = built
    text = page(root, "wet/a").find("article").get_text()
    outputs = [each.get_text() for each in page(root, "wet/a").select(".cell_output pre")]
    assert "red\n30 of 30" in outputs[1]
    assert "a warning\n" not in text.replace("print('a warning', file=sys.stderr)", "")
    assert "wet/a: stderr: a warning" in lines
    assert not any("it/s" in line for line in lines)


def test_figures_have_captions_numbers_and_alternative_texts(built):
    figure = page(built[0], "wet/a").find("figure")
    assert figure.find("img")["alt"] == "A straight line from one to two"
    assert figure.find("figcaption").get_text().split()[:5] == ["Fig.", "1", "A", "line", "that"]


def test_sentences_carry_their_status(built):
    html = page(built[0], "dry/b")
    assert [mark.get_text() for mark in html.select("span.status-proved")] == ["proved"]
    assert [mark.get_text() for mark in html.select("span.status-checked")] == ["checked numerically"]


def test_an_unknown_status_fails_the_build(project):
    edit(project, "dry/b", "{status}`checked`", "{status}`believed`")
    with pytest.raises(BuildError, match="believed"):
        build.report("fast", root=project, pdf=False, say=lambda line: None)


def test_references_and_citations_resolve_across_parts(built):
    wet = page(built[0], "wet/a")
    links = {link.get_text(): link["href"] for link in wet.find("article").find_all("a", class_="reference")}
    assert links["D9 A proof"].startswith("../dry/b.html")
    assert links["a proof"] == "../dry/b.html#d9"
    assert any(href.startswith("../references.html#") for href in links.values())


def test_html_needs_no_network_and_shows_no_private_name(built):
    answered = {"W9.1": "wet/a", "D9": "dry/b", "D9(a)": "dry/b"}
    folder = built[0] / "build" / "fast"
    problems = [*checks._check_html(folder / "html", answered, notebook.private_names(built[0]))]
    assert problems == []
    script = next(tag for tag in page(built[0], "wet/a").find_all("script") if "mathjax" in (tag.get("src") or ""))
    assert (folder / "html" / "wet" / script["src"]).resolve().is_file()


def test_the_tree_stays_clean(built):
    root = built[0]
    assert {path.name for path in root.iterdir()} == {"_config.yml", "book", "build", "notebooks"}
    assert not list((root / "book").rglob("*.ipynb"))


def test_nothing_to_do_is_said_in_a_moment(project):
    start = time.monotonic()
    lines = rebuild(project)
    assert time.monotonic() - start < 5
    assert lines == ["HTML: nothing changed", "done: build/fast/html/index.html"]


def test_new_prose_is_rendered_and_nothing_executed(project, monkeypatch):
    monkeypatch.setattr(execute, "_execute_page", None)
    edit(project, "dry/b", "# D9 A proof", "# D9 Another proof")
    assert rebuild(project) == ["HTML: rendering", "done: build/fast/html/index.html"]
    assert page(project, "dry/b").find("h1").get_text().startswith("D9 Another proof")
    links = page(project, "wet/a").find("article").find_all("a", class_="reference")
    assert "D9 Another proof" in [link.get_text() for link in links]


def test_new_code_is_executed_on_that_page_alone(project):
    edit(project, "dry/b", "** 2", "** 3")
    lines = rebuild(project)
    assert lines[0] == "dry/b: code cell 3 changed"
    assert "executing 1 page, 1 at a time" in lines
    assert "x^{3}" in page(project, "dry/b").get_text()


def test_status_names_each_page_and_why(project, capsys):
    edit(project, "wet/a", "# W9.1 Sums", "# W9.1 All sums")
    edit(project, "dry/b", "** 2", "** 3")
    assert build.print_status("fast", root=project) == 0
    assert capsys.readouterr().out.splitlines() == [
        "dry/b  stale  code cell 3 changed",
        "wet/a  prose  new text; nothing has to run",
    ]


def test_records_are_kept_and_serve_a_fresh_clone(project):
    lines = rebuild(project, record=True)
    assert [line for line in lines if line.startswith("recorded")] == [
        "recorded book/dry/b.ipynb",
        "recorded book/wet/a.ipynb",
    ]
    before = (project / "book" / "wet" / "a.ipynb").read_bytes()
    (project / "build" / "fast" / "book" / "wet" / "a.ipynb").unlink()
    assert not any("executing" in line for line in rebuild(project, record=True))
    assert (project / "book" / "wet" / "a.ipynb").read_bytes() == before
    stamp = json.loads(before)["metadata"]["coursework"]
    assert stamp["completed"] is True
    assert "coursework.figures.style" in stamp["sources"]


def test_two_executions_of_a_page_are_the_same_bytes(project):
    path = project / "build" / "fast" / "book" / "wet" / "a.ipynb"
    before = path.read_bytes()
    path.unlink()
    rebuild(project)
    assert path.read_bytes() == before


def test_a_failing_page_stops_the_book_and_leaves_what_there_was(project):
    edit(project, "dry/b", "** 2", "/ undefined_name")
    before = (project / "build" / "fast" / "html" / "dry" / "b.html").read_bytes()
    with pytest.raises(BuildError, match="dry/b, code cell 3: NameError: name 'undefined_name'"):
        rebuild(project)
    assert (project / "build" / "fast" / "html" / "dry" / "b.html").read_bytes() == before


def test_a_dangling_reference_fails_every_time_until_it_is_mended(project):
    edit(project, "dry/b", "{ref}`w9-1`", "{ref}`no-such-label`")
    for _ in range(2):
        with pytest.raises(BuildError, match=r"(?s)html\.log says more:.*no-such-label"):
            rebuild(project)
    edit(project, "dry/b", "{ref}`no-such-label`", "{ref}`w9-1`")
    assert rebuild(project)[0] == "HTML: rendering"


def test_pages_left_out_are_shown_as_they_were(project):
    edit(project, "dry/b", "** 2", "** 3")
    edit(project, "wet/a", "# W9.1 Sums", "# W9.1 All sums")
    lines = rebuild(project, pages=["wet/a"])
    assert not any("executing" in line for line in lines)
    assert "x^{2}" in page(project, "dry/b").get_text()
    with pytest.raises(ConfigError, match="did you mean 'wet/a'"):
        rebuild(project, pages=["wet/aa"])
    (project / "build" / "fast" / "book" / "dry" / "b.ipynb").unlink()
    with pytest.raises(ConfigError, match="dry/b was never executed"):
        rebuild(project, pages=["wet/a"])


@pytest.mark.parametrize("jobs", [0, -1, 65, True])
def test_jobs_out_of_range_are_refused(project, jobs):
    with pytest.raises(ConfigError, match="jobs = "):
        build.report("fast", root=project, jobs=jobs)


def test_a_second_build_of_the_same_profile_is_told_to_wait(project):
    with FileLock(project / "build" / "fast" / ".lock"), pytest.raises(BusyError, match="another process builds"):
        rebuild(project)


def test_pages_and_contents_must_agree(project):
    (project / "notebooks" / "wet" / "new.md").write_text(
        (project / "notebooks" / "dry" / "b.md").read_text(encoding="utf-8").replace("d9", "d10"), encoding="utf-8"
    )
    with pytest.raises(BuildError, match=r"notebooks/wet/new.md is not in book/_toc.yml"):
        render.stage(project, project / "build" / "fast", ["wet/a", "dry/b", "wet/new"])
    with pytest.raises(BuildError, match=r"_toc.yml lists dry/b"):
        render.stage(project, project / "build" / "fast", ["wet/a"])


def test_jupyter_book_2_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr(render, "_version", lambda name: "2.1.7")
    with pytest.raises(SetupError, match=r"2\.1\.7.*jupyter-book==1"):
        render.check_jupyter_book()


def test_without_tex_there_is_html_and_a_line(project, monkeypatch):
    monkeypatch.setattr(render, "missing_tex", lambda: ["xelatex"])
    lines = []
    assert build.report("fast", root=project, say=lines.append) == 0
    assert any(line.startswith("no PDF: xelatex not found") for line in lines)
