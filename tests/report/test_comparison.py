"""Tables of the page beyond the assignment, against numbers worked out by hand."""

import pytest
import torch

from coursework.report.comparison import comparison_table, psnr_table

NUMBERS = {
    "score": 0.0712,
    "mse": 0.004,
    "elbo": 801.4,
    "nll": -903.6,
    "standard_error": 0.12,
    "effective_draws": 3.0,
    "accuracy": 0.75,
    "training": 41.0,
    "total": 50.0,
}


def test_means_spreads_and_the_worst_error_of_the_draws():
    other = NUMBERS | {"score": 0.0732, "standard_error": 0.31, "elbo": 803.4}
    frame = comparison_table({"one": [NUMBERS], "two": [NUMBERS, other]}).set_index("model")
    assert frame.loc["one", "test score"] == "0.0712"
    assert frame.loc["two", "test score"] == "0.0722 ± 0.0014"
    assert frame.loc["two", "ELBO"] == "802 ± 1"
    assert frame.loc["two", "MC error"] == "0.31"
    assert frame.loc["one", "−log p(x)"] == "-904"
    assert frame.loc["one", "CPU s"] == "41"


def test_decibels_are_taken_run_by_run():
    frame = psnr_table({"a": torch.tensor([[0.01, 0.1], [0.0001, 0.1]])}, (0.1, 0.55))
    assert list(frame.columns) == ["method", "10 %", "55 %"]
    assert frame.iloc[0, 1] == "30.0 ± 14.1"  # 20 and 40 dB; the mean error, 0.00505, would be 23 dB
    assert frame.iloc[0, 2] == "10.0 ± 0.0"
    with pytest.raises(IndexError):
        psnr_table({"a": torch.tensor([[0.01]])}, (0.1, 0.5))
