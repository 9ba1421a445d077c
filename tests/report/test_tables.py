"""Tables: numbers formatted from runs, nothing else."""

import json
import statistics

import pytest

from coursework.experiments import configure
from coursework.report.tables import mean_and_spread, score_table, settings, table
from coursework.runs import Run


def test_spread_is_the_sample_standard_deviation():
    values = [0.1, 0.4, 0.25]
    expected = f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
    assert mean_and_spread(values, ".3f") == expected


def finished(path, metrics):
    """A run with these metrics and nothing else."""
    path.mkdir()
    (path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return Run(config=None, key="key", path=path)


def test_scores_of_runs_and_baselines_in_their_rows(tmp_path):
    scores = {"score": 0.1, "mse": 0.2, "psnr": 20.0, "ssim": 0.5}
    metrics = {f"{split}_{name}": value for split in ("train", "test") for name, value in scores.items()}
    other = {name: value + 1 for name, value in metrics.items()}
    runs = [finished(tmp_path / name, m) for name, m in (("a", metrics), ("b", other))]
    frame = score_table({"mean": {"test": scores}}, {"ours": runs})
    assert list(frame["model"]) == ["mean", "ours", "ours"]
    assert list(frame["images"]) == ["test", "train", "test"]
    assert frame["course score"][0] == "0.1000"
    assert frame["PSNR (dB)"][2] == mean_and_spread([20.0, 21.0], ".2f")


@pytest.mark.parametrize("name", ["ad", "vad-normal"])
def test_every_setting_is_listed_with_its_meaning(name):
    config = configure(name)
    frame = settings(config)
    assert len(frame) == len(vars(config))
    assert frame["meaning"].str.len().min() > 3
    row = frame[frame["parameter"] == "`widths`"].iloc[0]
    assert row["value"] == ", ".join(map(str, config.widths))


def test_columns_of_numbers_stand_right():
    text = table(settings(configure("ad"))[["parameter", "value"]]).data
    assert text.splitlines()[1].startswith("|:")
    numbers = table(
        score_table({"m": {"test": dict.fromkeys(("score", "mse", "psnr", "ssim"), 1.0)}}, {})
    ).data.splitlines()[1]
    assert numbers.rstrip("|").endswith(":")
