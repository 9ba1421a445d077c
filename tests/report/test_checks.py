"""Each check must find its fault: sound artefacts are damaged one way at a time."""

import pytest

from coursework.report import checks
from coursework.report.sources import read_sources

ANSWERED = {"W9.1": "wet/a", "D9": "dry/b", "D9(a)": "dry/b"}
NO_TEX = ["xelatex"]


@pytest.fixture
def problems(project, monkeypatch):
    """The problems of the built report, HTML only, after `damage` was done to a page's file."""
    monkeypatch.setattr(checks.render, "missing_tex", lambda: NO_TEX)

    def look(old="", new="", name="wet/a", answered=ANSWERED):
        path = project / "build" / "fast" / "html" / f"{name}.html"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return checks.check(project / "build" / "fast", answered=answered, root=project)

    return look


def test_a_sound_report_has_no_problem(problems):
    assert problems() == []


@pytest.mark.parametrize(
    ("inserted", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js from the network"),
        ('<script src="//cdn.example/x.js"></script>', "loads //cdn.example/x.js"),
        ('<link rel="stylesheet" href="https://fonts.example/f">', "loads https://fonts.example/f"),
        ('<img alt="words" src="http://example/i.png">', "loads http://example/i.png"),
        (
            '<script>const url = "https://unpkg.example/lib/index.js"</script>',
            "names https://unpkg.example/lib/index.js",
        ),
        ('<img src="a/b.png">', "the image b.png has no alternative text"),
        ('<img src="a/b.png" alt="../a/b.png">', "the image b.png has no alternative text"),
        ("<p>100%|#####| 3/3 [00:00&lt;00:00, 9.1it/s]</p>", "shows a progress bar"),
        ("<p>\x1b[31mred\x1b[0m</p>", "shows a terminal code"),
        ("<p>[1;31mred</p>", "shows a terminal code"),
        ("<p>&lt;Thing at 0x7f3a12345678&gt;</p>", "shows the address of an object"),
        ("<p>Traceback (most recent call last):</p>", "shows a traceback"),
        ("<section><h2>W9.2 Too short</h2><p>No.</p></section>", "the answer to W9.2 has fewer than"),
        ("<section><h2>W9.2 More</h2></section>", "answers W9.2, which ANSWERED in checks.py does not list"),
    ],
)
def test_each_fault_is_found(problems, inserted, found):
    assert any(found in problem for problem in problems("</article>", f"{inserted}</article>"))


def test_the_projects_folder_is_found(problems, project):
    assert any("shows the project's folder" in problem for problem in problems("</article>", f"{project}</article>"))


def test_a_missing_answer_is_found(problems):
    assert "wet/a.html has no heading that begins with W9.3" in problems(answered=ANSWERED | {"W9.3": "wet/a"})
    assert problems(answered={"W9.1": "dry/b", "D9": "dry/b", "D9(a)": "dry/b"})


def test_no_html_at_all_is_a_problem(project, tmp_path):
    assert checks.check(tmp_path, answered={}, root=project)[0].startswith("there is no HTML")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("LaTeX Warning: There were undefined references.", "an undefined reference"),
        ("LaTeX Warning: Reference `x' on page 1 undefined on input line 3.", "an undefined reference"),
        ("LaTeX Warning: Label `x' multiply defined.", "a label defined twice"),
        ("Missing character: There is no θ in font cmr10!", "a character that the font lacks"),
        (r"Overfull \hbox (45.2pt too wide) in paragraph at lines 3--4", "sticks out by 45.2 pt"),
        (r"Overfull \hbox (0.2pt too wide) in paragraph at lines 3--4", None),
        (r"Underfull \hbox (badness 10000)", None),
    ],
)
def test_texs_log_is_read(tmp_path, line, found):
    (tmp_path / "wet.log").write_text(f"This is XeTeX\n{line}\n", encoding="utf-8")
    problems = list(checks._check_tex_log(tmp_path / "wet.log"))
    assert len(problems) == (found is not None)
    assert all(found in problem for problem in problems)


def test_the_list_of_answers_is_that_of_the_pages():
    """ANSWERED holds exactly the ids that head a section on a page of this report."""
    found = {}
    for source in read_sources(checks.project_root()):
        for cell in source.notebook.cells:
            for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
                match = checks._ID.match(line.lstrip("# ")) if line.startswith("#") else None
                if match:
                    found[match[1]] = source.name
    parents = {question for question in found if any(other.startswith(f"{question}.") for other in found)}
    assert {question: page for question, page in found.items() if question not in parents} == checks.ANSWERED
