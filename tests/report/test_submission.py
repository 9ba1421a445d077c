"""The zip file: what goes in, what is refused, and that nothing is overwritten."""

import copy
import json
import zipfile

import pytest
from filelock import FileLock

from coursework.cli import main
from coursework.errors import BuildError, BusyError, ConfigError, DataError
from coursework.report import execute, notebook, render, submission
from coursework.report.handin.generate import hand_in_files
from coursework.report.sources import code_cells, read_sources

PDF = b"%PDF-1.7 words %%EOF\n"
IDS = ["012345678", "987654321"]


@pytest.fixture
def root(make, tmp_path):
    """A checkout whose report is built: executed pages, staged book, PDFs of a few bytes, fingerprints."""
    root = make.write_project(tmp_path / "sp ace é", wet__a=make.WET, dry__b=make.DRY)
    folder = root / "build" / "fast"
    sources = read_sources(root)
    render.stage(root, folder, [source.name for source in sources])
    for source in sources:
        executed = copy.deepcopy(source.notebook)
        for cell in code_cells(executed):
            cell.execution_count, cell.outputs = 1, []
        executed = notebook.stamped(notebook.clean(executed, root)[0], source, "fast", {"profile": "fast"})
        text = notebook.as_text(notebook.with_prose(source, executed))
        notebook.write_text(execute.staged(root, "fast") / f"{source.name}.ipynb", text)
    (folder / "built.json").write_text(json.dumps({"pdf": render.fingerprint(folder)}), encoding="utf-8")
    for name in submission.PDFS:
        (folder / name).write_bytes(PDF)
    (folder / ".lock").touch()
    return root


@pytest.fixture
def rehearsals(monkeypatch, tmp_path):
    """Archives handed to the checks, which find nothing; no data are made."""
    seen = []

    def rehearse(archive, data):
        seen.append((archive, data))
        return [{"point": "1", "wrong": ""}]

    monkeypatch.setattr(submission, "rehearse", rehearse)
    monkeypatch.setattr(submission, "check_csv", lambda folder: None)
    return seen


def submit(root, out, **options):
    given = {"profile": "fast", "data": root, "out": out, "root": root, "say": lambda line: None} | options
    return submission.submit(given.pop("ids", IDS), **given)


def test_the_archive_holds_the_programs_and_the_pdfs(root, rehearsals, tmp_path):
    path = submit(root, tmp_path / "new" / "out")
    assert path == tmp_path / "new" / "out" / "012345678-987654321.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held.pop("wet.pdf") == held.pop("dry.pdf") == PDF
    assert {"AutoDecoder.py", "VariationalAutoDecoder.py"} < held.keys()
    assert {name: content.decode() for name, content in held.items()} == hand_in_files()
    assert rehearsals == [(path.read_bytes(), root)]
    again = submit(root, tmp_path)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([], "give two"),
        (["123456789"], "give two"),
        (["1", "2", "3"], "give two"),
        (["12345678a", "2"], "'12345678a' is not an id"),
        (["../1", "2"], "'../1' is not an id"),
        (["1", "/etc/2"], "'/etc/2' is not an id"),
        (["1", ""], "'' is not an id"),
        (["1", " 2"], "' 2' is not an id"),
        (["1", "2\n"], "is not an id"),
        (["1", "٣"], "is not an id"),
        (["1", "2" * 300], "20 of them at most"),
        (["123456789", "123456789"], "given twice"),
    ],
)
def test_bad_ids_are_refused_in_a_sentence(ids, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        submission.submit(ids)
    assert main(["submit", "--ids", *ids]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def refused(error, said, root, out, **options):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(error, match=said) as raised:
        submit(root, out, **options)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    return raised.value


def test_a_zip_that_exists_is_replaced_only_when_told_to(root, rehearsals, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    path = out / "012345678-987654321.zip"
    path.write_bytes(b"mine")
    assert refused(ConfigError, "exists: move it away", root, out).exit_code == 2
    assert rehearsals == []
    submit(root, out, force=True)
    assert zipfile.is_zipfile(path)
    path.unlink()
    path.mkdir()
    refused(ConfigError, "exists", root, out, force=True)
    refused(ConfigError, "is a file", root, root / "_config.yml")


def test_a_zip_that_appears_while_the_checks_run_is_kept(root, tmp_path, monkeypatch, rehearsals):
    def slow(archive, data):
        (tmp_path / "012345678-987654321.zip").write_bytes(b"theirs")
        return []

    monkeypatch.setattr(submission, "rehearse", slow)
    with pytest.raises(ConfigError, match="exists"):
        submit(root, tmp_path)
    assert (tmp_path / "012345678-987654321.zip").read_bytes() == b"theirs"


def test_a_hand_in_that_fails_a_check_is_not_written(root, tmp_path, monkeypatch, rehearsals):
    wrong = [{"point": "5 weights", "wrong": "they have changed"}, {"point": "2 shape", "wrong": ""}]
    monkeypatch.setattr(submission, "rehearse", lambda archive, data: wrong)
    out = tmp_path / "out"
    out.mkdir()
    (out / "012345678-987654321.zip").write_bytes(b"mine")
    error = refused(BuildError, "fails 1 of 2 checks:\n5 weights: they have changed", root, out, force=True)
    assert error.exit_code == 6


@pytest.mark.parametrize("name", submission.PDFS)
def test_missing_and_damaged_pdfs(root, rehearsals, tmp_path, name):
    path = root / "build" / "fast" / name
    for content in (b"", b"PDF", b"%PDF-1.7 cut off"):
        path.write_bytes(content)
        refused(ConfigError, "not a whole PDF", root, tmp_path)
    path.unlink()
    refused(ConfigError, rf"there is no .*{name}\. Run `make report PROFILE=fast`", root, tmp_path)
    assert rehearsals == []


def test_a_profile_that_was_never_built_or_does_not_exist(root, rehearsals, tmp_path):
    refused(ConfigError, "PROFILE=full", root, tmp_path, profile="full")
    refused(ConfigError, "did you mean 'full'", root, tmp_path, profile="ful")
    assert not (root / "build" / "full").exists()


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda root: edit(root / "notebooks/wet/a.md", "1 + 1  # hidden", "1 + 2"),
            "stale .wet/a: code cell 5 changed",
        ),
        (lambda root: edit(root / "notebooks/dry/b.md", "See", "Now see"), "older than the report's text"),
        (lambda root: edit(root / "book/intro.md", "The book", "Our book"), "older than the report's text"),
        (lambda root: edit(root / "_config.yml", "numfig: true", "numfig: false"), "older than the report's text"),
        (lambda root: (root / "build/fast/built.json").unlink(), "older than the report's text"),
        (lambda root: (root / "build/fast/book/dry/b.ipynb").unlink(), "stale .dry/b: never executed"),
        (lambda root: (root / "build/fast/book/dry/b.ipynb").write_bytes(b"{"), "stale .dry/b: never executed"),
    ],
)
def test_a_stale_report_is_refused(root, rehearsals, tmp_path, change, said):
    change(root)
    assert refused(ConfigError, said, root, tmp_path / "out").exit_code == 2
    assert rehearsals == []


def test_a_report_of_other_parameters_is_stale(root, rehearsals, tmp_path):
    path = root / "build/fast/book/dry/b.ipynb"
    page = json.loads(path.read_text(encoding="utf-8"))
    page["metadata"]["coursework"]["parameters"]["seed"] = 3
    path.write_text(json.dumps(page), encoding="utf-8")
    refused(ConfigError, "stale .dry/b: parameters differ", root, tmp_path / "out")


def test_a_report_that_is_being_built_is_left_alone(root, rehearsals, tmp_path):
    with FileLock(root / "build" / "fast" / ".lock"):
        refused(BusyError, "another process builds", root, tmp_path / "out")


def test_looking_changes_nothing_in_the_build(root, rehearsals, tmp_path):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}
    submit(root, tmp_path)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "fashion-mnist_train.csv: No such file"),
        ("label,pixel1\n1,2\n", "column 3 should be 'pixel2', found 'nothing'"),
        (f"label,{','.join(f'pixel{k}' for k in range(1, 785))}\n" + f"1{',256' * 784}\n", "holds 256"),
        (f"label,{','.join(f'pixel{k}' for k in range(1, 785))}\n" + f"1{',25' * 784}\n", "1 rows"),
    ],
)
def test_csv_files_that_are_not_the_courses(root, tmp_path, text, said, capsys, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "test"):
        if text is not None:
            (data / f"fashion-mnist_{split}.csv").write_text(text, encoding="utf-8")
    error = refused(DataError, said, root, tmp_path / "out", data=data)
    assert error.exit_code == DataError.exit_code
    monkeypatch.chdir(root)
    assert main(["submit", "--ids", *IDS, "--data", str(data), "--profile", "fast"]) == DataError.exit_code
    assert said in capsys.readouterr().err
    assert not list(root.glob("*.zip"))


def test_the_command_line_prints_the_path(root, rehearsals, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["submit", "--ids", *IDS, "--out", str(tmp_path), "--data", ".", "--profile", "fast"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "012345678-987654321.zip")
