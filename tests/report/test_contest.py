"""Verdicts on tables whose winners are known, and what turns when the numbers turn."""

import math

import pytest

from coursework.report.contest import answers, costs, leaders, quality, verdicts


def row(ffid, bits=math.nan, nats=math.nan, knn=math.nan, training=1.0, drawing=1.0, precision=0.5, recall=0.5):
    return {
        "density": "words",
        "bits": bits,
        "nats": nats,
        "F-FID": ffid,
        "precision": precision,
        "recall": recall,
        "k-NN": knn,
        "training images": 1234,
        "training": training,
        "drawing": drawing,
    }


REAL = {"F-FID": 1.0, "k-NN": 0.8}


def models(**changes):
    rows = {
        "VAE": row(10.0, nats=90.0, knn=0.9, drawing=0.1, training=2),
        "IWAE": row(9.0, nats=88.0, knn=0.7, drawing=0.2, training=3),
        "GAN": row(5.0, recall=0.9, training=4),
        "WGAN-GP": row(6.0, precision=0.9, training=5),
        "flow": row(30.0, bits=1.0, knn=0.5, drawing=40.0, training=1),
        "DDPM": row(4.0, bits=2.0, training=6),
    }
    for label, values in changes.items():
        rows[label] = row(**values)
    return rows


def test_every_column_has_its_leader():
    found = leaders(models())
    assert found["F-FID"] == ("DDPM", 4.0)
    assert found["bits"] == ("flow", 1.0)
    assert found["k-NN"] == ("VAE", 0.9)
    assert (found["precision"][0], found["recall"][0]) == ("WGAN-GP", "GAN")
    assert (found["training"][0], found["drawing"][0]) == ("flow", "VAE")


def test_verdicts_follow_the_numbers():
    found = verdicts(models(), REAL)
    assert found["leading"] == "No model leads every column"
    assert (found["by_bits"], found["by_ffid"], found["orders"]) == (
        "flow and DDPM",
        "DDPM and flow",
        "another order than",
    )
    assert (found["fewer_nats"], found["nats_draw"]) == ("IWAE", "draws better")
    assert found["nats_gain"] == pytest.approx(2)
    assert (found["above_pixels"], found["below_pixels"]) == ("VAE", "IWAE and flow")
    assert (found["slowest"], found["slowest_factor"]) == ("flow", "400")
    assert (found["dearest"], found["same_cheapest"]) == ("DDPM", "two models")
    assert found["better_game"] == "GAN"
    assert found["precise_is_various"] == "two models"
    assert found["tie_words"].endswith("draw better, by and large")


def test_verdicts_turn_with_the_numbers():
    best = {"ffid": 0.1, "bits": 0.5, "knn": 1.0, "training": 0.1, "drawing": 0.01, "precision": 1.0, "recall": 1.0}
    found = verdicts(models(flow=best), REAL)
    assert found["leading"] == "The flow leads every column"
    assert found["orders"] == "the same order as"
    assert found["precise_is_various"] == "the same model"
    found = verdicts(models(IWAE={"ffid": 11.0, "nats": 88.0, "knn": 0.7}), REAL)
    assert found["nats_draw"] == "does not draw better"


def test_a_missing_value_is_a_dash():
    rows = models()
    frame = quality(rows).set_index("model")
    assert frame.loc["GAN", "k-NN"] == "–"
    assert frame.loc["VAE", "k-NN"] == "0.900"
    assert costs(rows).set_index("model").loc["flow", "1,000 draws, CPU s"] == "40.00"
    assert list(answers(rows)["model"])[:2] == ["flow", "DDPM"]
