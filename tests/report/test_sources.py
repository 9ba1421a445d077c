from pathlib import Path

import papermill
import pytest

from coursework.errors import BuildError, ConfigError
from coursework.experiments.registry import EXPERIMENTS
from coursework.report import notebook
from coursework.report.sources import cell_hash, chosen, project_root, read_source, read_sources


def test_pages_are_found_by_part_and_name(make, tmp_path):
    root = make.write_project(
        tmp_path, wet__b=make.page(), wet__a=make.page(), dry__c=make.page(), studies__d=make.page()
    )
    assert [source.name for source in read_sources(root)] == ["dry/c", "studies/d", "wet/a", "wet/b"]


def test_a_report_without_pages_is_refused(make, tmp_path):
    (tmp_path / "notebooks").mkdir()
    with pytest.raises(BuildError, match="there is no page"):
        read_sources(tmp_path)


def test_parameters_agree_with_papermill(make, tmp_path):
    text = make.page(parameters='profile = "cpu"\nseed = 0\nrate = 1e-3\nepochs = None\nnames = ["a", "b"]\non = True')
    source = read_source(_write(tmp_path, text))
    notebook.write_text(tmp_path / "page.ipynb", notebook.as_text(source.notebook))
    inferred = papermill.inspect_notebook(tmp_path / "page.ipynb")
    assert list(inferred) == list(source.defaults)
    assert {name: eval(each["default"]) for name, each in inferred.items()} == source.defaults


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("seed = 1 + 1j * len('a')", "len"),
        ("seed: int = 0", "seed: int"),
        ("a = b = 0", "a = b"),
        ("import os", "import os"),
        ("a.b = 0", "a.b"),
    ],
)
def test_parameters_must_be_plain_literals(make, tmp_path, line, shown):
    with pytest.raises(BuildError, match=f"wet/a.*plain literals.*{shown}"):
        read_source(_write(tmp_path, make.page(parameters=f'profile = "cpu"\n{line}')))


def test_a_page_needs_a_profile_and_one_parameters_cell(make, tmp_path):
    with pytest.raises(BuildError, match="has no `profile`"):
        read_source(_write(tmp_path, make.page(parameters="seed = 0")))
    with pytest.raises(BuildError, match="2 code cells tagged 'parameters'"):
        read_source(_write(tmp_path, make.page(make.cell(make.PARAMETERS, ["parameters"]))))
    with pytest.raises(BuildError, match="0 code cells tagged 'parameters'"):
        read_source(_write(tmp_path, make.HEADER + make.cell("1")))


@pytest.mark.parametrize(
    "text",
    ["", "# Just Markdown\n", "---\njupytext: [\n---\n", "---\njupytext: 3\nkernelspec: 4\n---\n# A\n"],
)
def test_what_is_not_a_notebook_says_what_its_header_needs(make, tmp_path, text):
    with pytest.raises(BuildError, match="format_name: myst"):
        read_source(_write(tmp_path, text))


def test_another_kernel_is_refused(make, tmp_path):
    with pytest.raises(BuildError, match="'venv-xyz'"):
        read_source(_write(tmp_path, make.page().replace("name: python3", "name: venv-xyz")))


def test_magics_and_slips_are_named_by_cell(make, tmp_path):
    with pytest.raises(BuildError, match="wet/a, code cell 3 is not plain Python"):
        read_source(_write(tmp_path, make.page(make.cell("1"), make.cell("%matplotlib inline"))))


def test_bom_and_windows_line_ends_are_read(make, tmp_path):
    path = _write(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf" + make.page(make.cell("1 + 1")).replace("\n", "\r\n").encode())
    assert read_source(path).defaults == {"profile": "cpu", "seed": 0}


def test_the_experiment_is_read_from_begin(make, tmp_path):
    assert read_source(_write(tmp_path, make.page(make.cell("page = begin(globals(), 'ad')")))).experiment == "ad"
    assert read_source(_write(tmp_path, make.page(make.cell("begin(globals(), experiment='ad')")))).experiment == "ad"
    assert read_source(_write(tmp_path, make.page(make.cell("begin(globals())")))).experiment is None


def test_a_page_stands_on_what_it_imports_and_on_the_experiments_it_names(make, tmp_path):
    code = "from coursework.metrics.latent import nearest_distances\nfrom coursework.report.page import begin\n"
    modules = read_source(_write(tmp_path, make.page(make.cell(code)))).modules
    assert {"coursework.metrics.latent", "coursework.report.page"} <= modules.keys()
    assert EXPERIMENTS["ad"] not in modules
    with_experiment = read_source(
        _write(tmp_path, make.page(make.cell(code), make.cell("begin(globals(), 'ad')")))
    ).modules
    assert with_experiment.keys() > modules.keys()
    assert EXPERIMENTS["ad"] in with_experiment


def test_hash_ignores_comments_and_layout_but_not_meaning():
    assert cell_hash("x=1 # a") == cell_hash("x = 1\n\n# b")
    assert len({cell_hash(code) for code in ("x", "x;", "y", '"x"', '"y"', "x\nx")}) == 6


def test_unknown_page_names_suggest_the_nearest(make, tmp_path):
    sources = read_sources(make.write_project(tmp_path, wet__auto_decoder=make.page()))
    assert chosen(sources, None) == sources
    with pytest.raises(ConfigError, match="did you mean 'wet/auto_decoder'"):
        chosen(sources, ["wet/autodecoder"])


def test_the_checkout_is_found_from_any_folder_in_it(make, tmp_path):
    root = make.write_project(tmp_path / "sp ace é", wet__a=make.page()).resolve()
    assert project_root(root / "book") == root
    with pytest.raises(ConfigError, match="no report at or above"):
        project_root(Path(tmp_path))


def _write(folder, text):
    path = folder / "wet" / "a.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
