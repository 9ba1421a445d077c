import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from coursework.errors import BuildError
from coursework.report import notebook
from coursework.report.sources import read_source


@pytest.fixture
def source(make, tmp_path):
    path = tmp_path / "wet" / "a.md"
    path.parent.mkdir()
    path.write_text(make.page("# Title\n", make.cell("1 + 1"), "Words.\n", make.cell("2 + 2")), encoding="utf-8")
    return read_source(path)


def executed(source, outputs="2 4"):
    """The source as papermill would leave it, every code cell with one line of output."""
    cells = []
    for number, cell in enumerate(source.notebook.cells):
        metadata = {**cell.metadata, "papermill": {"duration": 1.5}, "execution": {"iopub.execute_input": "2026-01-01"}}
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(cell.source, metadata=metadata))
            continue
        output = new_output("stream", name="stdout", text=f"{outputs} {number}\n")
        cells.append(new_code_cell(cell.source, metadata=metadata, outputs=[output], execution_count=number + 1))
        if "parameters" in cell.metadata.get("tags", []):
            injected = {"tags": ["injected-parameters"]}
            cells.append(new_code_cell('profile = "fast"', metadata=injected, execution_count=99))
    return new_notebook(cells=cells, metadata={"papermill": {"input_path": "/home/me/x"}, "jupytext": {"a": 1}})


def finished(source, tmp_path):
    cleaned, _ = notebook.clean(executed(source), tmp_path)
    return notebook.stamped(cleaned, source, "fast", {"profile": "fast"})


def test_cleaning_removes_what_changes_from_run_to_run(source, tmp_path):
    first, second = executed(source), executed(source)
    second.cells[0].metadata["papermill"]["duration"] = 99
    texts = [notebook.as_text(notebook.clean(each, tmp_path)[0]) for each in (first, second)]
    assert texts[0] == texts[1]
    assert not {"papermill", "jupytext", "duration", "iopub"} & set(texts[0].replace('"', " ").split())
    assert json.loads(texts[0])["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("\x1b[1;31mred\x1b[0m\n", "red\n"),
        ("\x1b]0;title\x07shown\n", "shown\n"),
        ("10%\r20%\r100%\ndone\n", "100%\ndone\n"),
        ("windows\r\nline\r\n", "windows\nline\n"),
        ("bell\x07 and \x00nul", "bell and nul"),
        ("in {root}/x/y.py and {root}", "in ./x/y.py and ."),
        ("{root}-other is another", "{root}-other is another"),
        ("{home}/data", "~/data"),
        ("θ → € é", "θ → € é"),
    ],
)
def test_text_is_left_as_a_terminal_would_show_it_without_paths(raw, left, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    root, home = tmp_path.as_posix().replace("/tmp", "/work"), "/home/someone"
    book = new_notebook(
        cells=[new_code_cell("1", outputs=[new_output("stream", text=raw.format(root=root, home=home))])]
    )
    cleaned, _ = notebook.clean(book, type(tmp_path)(root))
    assert cleaned.cells[0].outputs[0].text == left.format(root=root, home=home)


def test_images_are_left_alone(tmp_path):
    data = {"image/svg+xml": f"<svg>{tmp_path}\r</svg>", "text/plain": f"{tmp_path}/a"}
    book = new_notebook(cells=[new_code_cell("1", outputs=[new_output("display_data", data=data)])])
    cleaned, _ = notebook.clean(book, tmp_path)
    assert cleaned.cells[0].outputs[0].data == {"image/svg+xml": data["image/svg+xml"], "text/plain": "./a"}


def test_stderr_leaves_the_page_and_progress_bars_the_log_too(tmp_path):
    text = "\r 50%|#####     | 1/2 [00:00<00:00, 9.1it/s]\nUserWarning: beware\n"
    book = new_notebook(cells=[new_code_cell("1", outputs=[new_output("stream", name="stderr", text=text)])])
    cleaned, noise = notebook.clean(book, tmp_path)
    assert cleaned.cells[0].outputs == []
    assert noise == ["UserWarning: beware"]


def test_only_a_page_that_ran_to_its_end_is_stamped(source, tmp_path):
    stopped = executed(source)
    stopped.cells[-1].execution_count = None
    with pytest.raises(BuildError, match="wet/a did not run to its end: code cell 3"):
        notebook.stamped(notebook.clean(stopped, tmp_path)[0], source, "fast", {})
    failed = executed(source)
    failed.cells[-1].outputs = [new_output("error", ename="SystemExit", evalue="0", traceback=[])]
    with pytest.raises(BuildError, match="did not run to its end"):
        notebook.stamped(notebook.clean(failed, tmp_path)[0], source, "fast", {})


def test_a_stamp_holds_only_for_the_outputs_it_was_made_for(source, tmp_path):
    page = finished(source, tmp_path)
    assert notebook.stamp_of(page)["profile"] == "fast"
    reread = nbformat.reads(notebook.as_text(page), as_version=4)
    assert notebook.stamp_of(reread) == notebook.stamp_of(page)
    reread.cells[-1].outputs[0].text = "typed by hand\n"
    assert notebook.stamp_of(reread) is None
    page.metadata["coursework"]["completed"] = False
    assert notebook.stamp_of(page) is None
    assert notebook.stamp_of(None) is None


def test_a_large_page_is_refused_with_the_cell_to_blame(source, tmp_path):
    large = executed(source)
    large.cells[-1].outputs[0].text = "x" * 2_000_000
    with pytest.raises(BuildError, match=r"wet/a is 2\.0 MB.*'2 \+ 2'"):
        notebook.stamped(notebook.clean(large, tmp_path)[0], source, "fast", {})


def test_new_prose_keeps_outputs_and_changes_nothing_else(make, source, tmp_path):
    page = finished(source, tmp_path)
    text = source.path.read_text(encoding="utf-8").replace("Words.", "Other words, é.").replace("2 + 2", "2+2  # sum")
    source.path.write_text(text + "\nAn end.\n", encoding="utf-8")
    renewed = notebook.with_prose(read_source(source.path), page)
    shown = [cell.source for cell in renewed.cells]
    assert "Other words, é." in shown
    assert "An end." in shown
    assert "2+2  # sum" in shown
    outputs = [cell.outputs for cell in renewed.cells if cell.cell_type == "code"]
    assert outputs == [cell.outputs for cell in page.cells if cell.cell_type == "code"]
    assert notebook.stamp_of(renewed) == notebook.stamp_of(page)
    assert notebook.as_text(notebook.with_prose(source, page)) == notebook.as_text(page)


def test_the_injected_cell_is_hidden_and_follows_the_parameters(source, tmp_path):
    page = notebook.with_prose(source, finished(source, tmp_path))
    tags = [cell.metadata.get("tags", []) for cell in page.cells]
    assert tags[tags.index(["parameters"]) + 1] == ["injected-parameters", "remove-cell"]


def test_ids_are_unique_and_depend_on_the_text_alone(make, tmp_path):
    book = new_notebook(cells=[new_code_cell("1"), new_code_cell("1"), new_markdown_cell("1")])
    ids = [[cell.id for cell in notebook.clean(book, tmp_path)[0].cells] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "sp ace é" / "a.txt"
    assert notebook.write_text(path, "old")
    assert not notebook.write_text(path, "old")
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def _write_half(path):
    with notebook.replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise ZeroDivisionError


def test_a_refusing_file_system_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BuildError, match=r"cannot write .*file.*a\.txt"):
        notebook.write_text(tmp_path / "file" / "a.txt", "text")


def test_what_is_not_a_notebook_reads_as_none(tmp_path):
    assert notebook.read(tmp_path / "absent.ipynb") is None
    for text in ("", "{", "[]", '{"cells": 3}', "<html>"):
        (tmp_path / "bad.ipynb").write_text(text, encoding="utf-8")
        assert notebook.read(tmp_path / "bad.ipynb") is None
