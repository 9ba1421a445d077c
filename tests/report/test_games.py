"""Tables of the studies on games and diffusion: every cell from the numbers it stands for."""

import json

import pytest

from coursework.experiments import configure
from coursework.report.games import GAMES, bound_rows, effect, mean_of, quality_rows, sampler_rows, training_seconds
from coursework.runs import Run


def finished(folder, config, **content):
    """A run's folder with these files in it, and no more."""
    folder.mkdir()
    for name, values in content.items():
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    return Run(config, "0", folder)


def scores(ffid, covered=10.0, least=0.07):
    return {"ffid": ffid, "precision": 0.5, "recall": 0.25, "covered": covered, "least_share": least, "entropy": 3.0}


def test_rows_show_means_and_the_worst_coverage():
    table = quality_rows({"a": [scores(1.0), scores(2.0, 8.0, 0.01)], "b": [scores(9.0)]}, {"a": [10.0, 12.0]})
    table = table.set_index("images")
    assert table.loc["a", "F-FID"] == "1.50 ± 0.71"
    assert table.loc["a", "classes ≥ 5%"] == "8 of 10"
    assert table.loc["a", "rarest class"] == "1.0 %"
    assert table.loc["a", "training, CPU s"] == "11 ± 1"
    assert (table.loc["b", "F-FID"], table.loc["b", "training, CPU s"]) == ("9.00", "–")


def test_an_effect_counts_seeds():
    before, after = [scores(3.0), scores(2.0), scores(5.0)], [scores(1.0), scores(2.5), scores(6.0)]
    change, words = effect(before, after)
    assert (change, words) == (pytest.approx(-0.5 / 3), "helps on 1 of 3 seeds")
    assert effect(before, before)[1] == "does not help on any seed"
    assert effect(before[:1], after[:1])[1] == "helps on this one seed"
    assert mean_of(before, "ffid") == pytest.approx(10 / 3)


def test_every_game_is_a_config():
    assert {configure("gan", **game).game for game in GAMES.values()} == {
        "saturating",
        "non-saturating",
        "clipping",
        "penalty",
    }
    assert [label for label, game in GAMES.items() if configure("gan", **game).smooth < 1] == [
        "non-saturating, smoothed"
    ]


def test_seconds_are_those_of_training(tmp_path):
    runs = [
        finished(tmp_path / str(value), None, provenance={"cpu_seconds": {"training": value, "total": 99.0}})
        for value in (3.0, 4.0)
    ]
    assert training_seconds({"a": runs}) == {"a": [3.0, 4.0]}


def test_samplers_and_bounds_by_row(tmp_path):
    metrics = {"bits": 1.5, "bits_prior": 1e-4, "bits_denoising": 1.2, "bits_decoder": 0.3, "bits_error": 0.02}
    for name, value in (("2", 9.0), ("all", 4.0)):
        own = {**scores(value), "seconds": 2 * value}
        metrics |= {f"{key}_{name}": number for key, number in own.items()}
    runs = [finished(tmp_path / "run", configure("ddpm", "fast", steps=(2,)), metrics=metrics)]
    table = sampler_rows(runs)
    assert table["steps"].tolist() == ["2", "20"]
    assert table["sampler"].tolist() == ["deterministic", "ancestral"]
    assert table["F-FID"].tolist() == ["9.00", "4.00"]
    assert table["CPU s per 1,000"].tolist() == ["18.0", "8.0"]
    row = bound_rows({"cosine": runs}).iloc[0]
    assert (row["bits per dimension"], row["first term"], row["standard error"]) == ("1.500", "0.300", "0.020")
