import json

import pytest

from coursework.errors import ConfigError
from coursework.report import execute, plan
from coursework.report.sources import read_sources


@pytest.fixture
def tasks(project):
    """The plan of the built report, by page."""

    def look(profile="fast", given=None):
        found = plan.plan(read_sources(project), profile, [execute.staged(project, profile)], given)
        return {task.source.name: task for task in found}

    return look


def test_a_report_just_built_is_fresh(tasks):
    assert {name: task.reasons for name, task in tasks().items()} == {"wet/a": (), "dry/b": ()}


def test_prose_makes_nothing_stale_and_code_names_its_cell(project, tasks):
    path = project / "notebooks" / "dry" / "b.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("See", "Now see").replace("** 2", "**2  # squared"), encoding="utf-8")
    assert tasks()["dry/b"].fresh
    path.write_text(text.replace("page.seed", "page.seed + 1"), encoding="utf-8")
    assert tasks()["dry/b"].reasons == ("code cell 3 changed",)
    assert tasks()["wet/a"].fresh
    path.write_text(text + "\n```{code-cell} ipython3\n3\n```\n", encoding="utf-8")
    assert tasks()["dry/b"].reasons == ("4 code cells, not 3",)


def test_never_executed_elsewhere(tasks):
    assert tasks("cpu")["wet/a"].reasons == ("never executed",)


def test_parameters_that_differ(tasks):
    changed = tasks(given={"seed": 3})["dry/b"]
    assert changed.reasons == ("parameters differ: the page's own, not seed = 3",)
    assert changed.parameters == {"profile": "fast", "seed": 3}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda stamp: stamp["sources"].update({"coursework.report.page": "0"}), "coursework.report.page changed"),
        (lambda stamp: stamp["sources"].pop("coursework.errors"), "coursework.errors is new"),
        (lambda stamp: stamp["sources"].update({"coursework.old": "0"}), "coursework.old is gone"),
        (lambda stamp: stamp["versions"].update({"torch": "1.0"}), "torch is"),
        (lambda stamp: stamp.update(profile="full"), "profile differs: full, not fast"),
        (lambda stamp: stamp.update(completed=False), "incomplete"),
        (lambda stamp: stamp.update(schema=0), "incomplete"),
        (lambda stamp: stamp.update(outputs="0"), "edited by hand"),
    ],
)
def test_what_stands_behind_a_page_is_held_against_its_stamp(project, tasks, change, reason):
    path = execute.staged(project, "fast") / "dry" / "b.ipynb"
    page = json.loads(path.read_text(encoding="utf-8"))
    change(page["metadata"]["coursework"])
    path.write_text(json.dumps(page), encoding="utf-8")
    (found,) = tasks()["dry/b"].reasons
    assert reason in found


@pytest.mark.parametrize("damage", [b"", b"{", b'{"cells": []}'])
def test_a_damaged_notebook_is_executed_again(project, tasks, damage):
    (execute.staged(project, "fast") / "dry" / "b.ipynb").write_bytes(damage)
    assert len(tasks()["dry/b"].reasons) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sed": 1}, "unknown parameter 'sed': did you mean 'seed'"),
        ({"seed": "ten"}, "seed = 'ten'"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 10**10}, "seed = 10000000000"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"seed": float("nan")}, "seed = nan"),
        ({"seed": True}, "seed = True"),
        ({"profile": "cpu"}, "--profile"),
    ],
)
def test_bad_parameters_are_refused_before_anything_runs(tasks, given, message):
    with pytest.raises(ConfigError, match=message):
        tasks(given=given)


def test_an_unknown_profile_is_refused(tasks):
    with pytest.raises(ConfigError, match="unknown profile 'ful': did you mean 'full'"):
        tasks("ful")


def test_the_config_of_a_pages_experiment_is_validated(make, tmp_path):
    text = make.page(
        make.cell('begin(globals(), "ad")'), parameters='profile = "cpu"\nseed = 0\nlatent_dim = 128\nepochs = None'
    )
    sources = read_sources(make.write_project(tmp_path, wet__a=text))
    (task,) = plan.plan(sources, "fast", [], {"latent_dim": 32})
    assert task.parameters == {"profile": "fast", "latent_dim": 32}
    for value in (-1, 0, 10**9, "32", 3.5, True):
        with pytest.raises(ConfigError, match="wet/a: parameter latent_dim = "):
            plan.plan(sources, "fast", [], {"latent_dim": value})
