"""Moved images, equal sizes and a short run."""

import pytest
import torch

from coursework.derivations import toeplitz_evidence as evidence
from coursework.experiments import configure
from coursework.experiments.shift import convolutional, count_parameters, equal_hidden, fully_connected, moved
from coursework.figures.networks import matrices_and_accuracies
from coursework.runs import run


def test_moving_within_the_margin_loses_nothing():
    image = torch.zeros(1, 1, 6, 6)
    image[..., 2:4, 2:4] = torch.tensor([[1.0, 2], [3, 4]])
    shifted = moved(image, -2, 1)
    assert shifted[0, 0, :2, 3:5].tolist() == [[1, 2], [3, 4]]
    assert shifted.sum() == image.sum()


def test_sizes_are_as_near_as_a_unit_allows():
    cnn = count_parameters(convolutional(24))
    unit = count_parameters(fully_connected(1296, 8)) - count_parameters(fully_connected(1296, 7))
    assert abs(count_parameters(fully_connected(1296, equal_hidden(cnn, 1296))) - cnn) <= unit / 2


def test_the_stride_decides_which_moves_change_nothing():
    """In evaluation mode and within an empty margin wide enough, moves by four pixels leave the logits alone."""
    net = convolutional(8).eval()
    image = torch.zeros(1, 1, 48, 48)
    image[..., 20:28, 20:28] = torch.rand(8, 8)
    with torch.no_grad():
        logits = net(image)
        torch.testing.assert_close(net(moved(image, 4, -4)), logits, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(net(moved(image, 1, 0)), logits, rtol=1e-4, atol=1e-5)


def test_a_short_run(runs_folder):
    found = run(configure("shift", "fast", num_train=400, num_test=100, epochs=3, hidden=16, channels=8))
    assert found.metrics["wide_0"] > 0.3
    assert found.metrics["wide_0"] > found.metrics["wide_4"]
    table = evidence.accuracy_table([found])
    assert list(table["0 px"]) == [f"{found.metrics[f'{name}_0']:.3f}" for name in evidence.NETS]
    figure = matrices_and_accuracies({"M": torch.eye(3)}, evidence.accuracies([found]))
    assert figure.axes[0].images[0].get_array().tolist() == torch.eye(3).tolist()
    assert figure.axes[1].lines[0].get_ydata()[4] == pytest.approx(found.metrics["cnn_4"])
