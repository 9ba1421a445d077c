"""A page's first cell: parameters checked before anything else."""

import pytest

from coursework.errors import ConfigError
from coursework.experiments import configure
from coursework.report.page import begin, validate


def notebook(**parameters):
    """A notebook's namespace as the kernel has it when the second cell runs."""
    return {"__name__": "__main__", "_i1": "text", "In": [], "Out": {}, "begin": begin, **parameters}


@pytest.fixture(autouse=True)
def _no_profile_variable(monkeypatch):
    monkeypatch.delenv("COURSEWORK_PROFILE", raising=False)


def test_parameters_fill_the_config():
    page = begin(notebook(profile="fast", seed=3, latent_dim=32, epochs=None), "ad")
    assert page.config == configure("ad", "fast", seed=3, latent_dim=32)
    assert page.seeds == (3,)
    assert begin(notebook(profile="full", seed=3), "ad").seeds == (3, 4, 5)
    assert begin(notebook(profile="full", seed=0), "ad", num_seeds=5).seeds == (0, 1, 2, 3, 4)
    assert begin(notebook(profile="cpu", seed=0), "ad", num_seeds=5).seeds == (0,)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"latent_dims": 3}, "did you mean 'latent_dim'"),
        ({"latent_dim": "true"}, "latent_dim = 'true'"),
        ({"latent_dim": True}, "latent_dim = True"),
        ({"latent_dim": 10**9}, "latent_dim = 1000000000"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"profile": "gpu"}, "unknown profile 'gpu'"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_bad_parameters_stop_the_page(parameters, said):
    with pytest.raises(ConfigError, match=said):
        begin(notebook(**{"profile": "fast", "seed": 0, **parameters}), "ad")


@pytest.mark.parametrize(("name", "value"), [("seed", "1"), ("seed", True), ("seed", -1), ("seed", 2**40), ("sed", 1)])
def test_a_page_without_an_experiment_takes_profile_and_seed_alone(name, value):
    assert validate(None, {"profile": "fast", "seed": 1}) is None
    with pytest.raises(ConfigError, match=name):
        validate(None, {"profile": "fast", name: value})


def test_the_environment_overrides_the_profile_and_is_checked(monkeypatch):
    monkeypatch.setenv("COURSEWORK_PROFILE", "fast")
    assert begin(notebook(profile="full", seed=0), "ad").config == configure("ad", "fast")
    monkeypatch.setenv("COURSEWORK_PROFILE", "fats")
    with pytest.raises(ConfigError, match="did you mean 'fast'"):
        begin(notebook(profile="full", seed=0), "ad")


def test_the_page_says_where_it_stands():
    text = begin(notebook(profile="cpu", seed=2), "ad").provenance().data
    assert "Profile **cpu**, seed 2" in text
    assert "Shorter runs" in text
    assert "Shorter runs" not in begin(notebook(profile="full", seed=2), "ad").provenance().data


def test_sources_are_those_imported_by_the_time_it_is_asked():
    from coursework.metrics.frechet import frechet_distance

    namespace = notebook(profile="cpu", seed=2)
    page = begin(namespace)
    before = page.provenance().data
    namespace["frechet_distance"] = frechet_distance
    assert page.provenance().data != before


def test_a_short_run_is_a_quarter_of_the_page_s():
    page = begin(notebook(profile="full", seed=0), "ad")
    assert page.short().epochs == page.config.epochs // 4
    assert page.vary(seed=9).seed == 9
