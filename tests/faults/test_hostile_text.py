"""Rows 14 and 15: hostile parameters and labels, refused where they are not wanted and inert where they are shown."""

import importlib.util
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output

from coursework import cli
from coursework.report import notebook, render
from coursework.report.plain import plain
from coursework.report.sources import read_sources
from coursework.report.tables import table

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</script></title></textarea><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": "[click](javascript:alert(1))",
    "quotes": "\"' onmouseover='alert(1)",
    "tex input": r"\input{/etc/passwd}",
    "tex shell": r"\immediate\write18{touch sprung}",
    "maths": r"$\immediate\write18{touch sprung}$",
    "directive": "```{include} /etc/passwd\n```",
    "role": "{download}`/etc/passwd`",
    "line ends": "one\ntwo\rthree\u2028four\u2029five",
    "surrogate": "\ud800",
    "terminal": "\x1b]0;title\x07\x1b[31m",
    "nul": "a\0b",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["seed", "profile", "latent_dim", "dataset", "likelihood"])
def test_as_a_value_of_a_parameter_it_is_refused_in_one_plain_sentence(name, text):
    from coursework.errors import ConfigError
    from coursework.report.page import validate

    with pytest.raises(ConfigError) as caught:
        validate("ad", {"profile": "fast", name: text})
    message = str(caught.value)
    assert message.isprintable() or name == "latent_dim"
    assert "\x1b" not in message
    assert "\n" not in message.strip() or message.count("\n") < 3
    assert len(message) < 1000 or len(text) > 1000


def left_with(arguments):
    """The exit code of a command line, whoever refuses it."""
    try:
        return cli.main(arguments)
    except SystemExit as leaving:
        return leaving.code


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_at_the_command_line_too(text, runs_folder, small, capfd):
    assert left_with([*small.command(), f"--likelihood={text}"]) == 2
    assert left_with(["report", "-p", "seed", text, "--no-pdf"]) == 2
    assert left_with(["run", text]) == 2
    assert "\x1b]" not in capfd.readouterr().err
    assert not runs_folder.exists()


@pytest.mark.parametrize(
    "given",
    ["--epochs=1e3", "--epochs=ten", "--epochs=", "--epochs=1.5", "--epochs=9999999", "--rate=-inf", "--rate=1e400"],
)
def test_numbers_in_no_plain_form_are_refused(given, runs_folder, small):
    arguments = [each for each in small.command() if not each.startswith("--epochs")]
    assert left_with([*arguments, given]) == 2
    assert not runs_folder.exists()


@pytest.mark.parametrize("given", [["--epochs", "2", "--epochs=3"], ["--latent-dim=2", "--latent_dim=2"]])
def test_a_parameter_given_twice_is_refused(given, runs_folder, capsys):
    assert left_with(["run", "ad", "--profile", "fast", *given]) == 2
    assert f"{given[0].partition('=')[0]}: a parameter is given twice" in capsys.readouterr().err
    assert not runs_folder.exists()


@pytest.mark.slow
def test_as_labels_in_outputs_they_are_text_in_html(tmp_path):
    """Everything that a page can print: a table, a plain result, a stream, Markdown; rendered by Jupyter Book."""
    location = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("report_fixtures", location)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    root = make.write_project(tmp_path / "book", dry__b=make.page("(d9)=\n# D9 Labels\n", make.WORDS, make.cell("1")))
    (source,) = read_sources(root)
    texts = [text for name, text in HOSTILE.items() if name not in ("surrogate", "long")]
    shown = table(pd.DataFrame({"label": [plain(text) for text in texts], "score": range(len(texts))})).data
    cell = source.notebook.cells[-1]
    cell.execution_count = 1
    cell.outputs = [
        new_output("display_data", data={"text/markdown": shown, "text/plain": "table"}),
        *(new_output("display_data", data={"text/plain": repr(text)}) for text in texts),
        new_output("stream", name="stdout", text="\n".join(texts)),
    ]
    executed, _ = notebook.clean(source.notebook, root)
    target = root / "build" / "fast"
    render.stage(root, target, ["dry/b"])
    notebook.write_text(target / "book" / "dry" / "b.ipynb", notebook.as_text(executed))
    render.html(target)
    page = BeautifulSoup((target / "html" / "dry" / "b.html").read_text(encoding="utf-8"), "html.parser")
    scripts = " ".join(tag.get_text() for tag in page.find_all("script"))
    assert "alert(1)" not in scripts
    article = page.find("article")  # around it are the theme's own buttons
    assert not [tag for tag in article.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert not [tag for tag in page.find_all(href=True) if tag["href"].strip().lower().startswith("javascript")]
    text = article.get_text()
    assert text.count("<script>alert(1)</script>") >= 6
    assert text.count("<img src=x onerror=alert(1)>") >= 3
    assert "root:" not in page.get_text()


@pytest.mark.skipif(bool(render.missing_tex()), reason="no TeX")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r"\input{/etc/passwd}", "not found"),
        (r"\newread\f \openin\f=/etc/passwd \ifeof\f\errmessage{refused}\fi", "refused"),
        (r"\newwrite\f \immediate\openout\f=../sprung.txt", "sprung"),
        (r"\immediate\write18{touch sprung}\message{runsystem \number\pdfshellescape}", None),
    ],
    ids=["input", "openin", "openout", "shell"],
)
def test_tex_itself_reads_and_runs_nothing_of_the_systems(line, said, tmp_path):
    folder = tmp_path / "latex"
    folder.mkdir()
    line = line.replace(r"\message{runsystem \number\pdfshellescape}", "")
    (folder / "a.tex").write_text(f"\\documentclass{{article}}\\begin{{document}}{line} x\\end{{document}}", "utf-8")
    command = ["xelatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    done = subprocess.run(command, cwd=folder, env=render._environment(), capture_output=True, text=True, check=False)
    assert "root:" not in done.stdout
    assert not list(tmp_path.rglob("sprung*"))
    if said is not None:
        assert done.returncode != 0
        assert said in done.stdout
    assert not Path("sprung").exists()
