"""What is drawn is what was given."""

import numpy as np
import pytest

from coursework.figures.rate_distortion import rate_distortion, spread_curves


def test_points_words_and_reference():
    figure = rate_distortion({"VAD": ([1.0, 10.0], [0.1, 0.01], ["8", "2"])}, {"Gaussian": ([1, 2], [0.3, 0.2])})
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    assert list(lines["VAD"].get_ydata()) == [0.1, 0.01]
    assert list(lines["Gaussian"].get_xdata()) == [1, 2]
    assert [(text.get_text(), *text.xy) for text in axis.texts] == [("8", 1.0, 0.1), ("2", 10.0, 0.01)]
    assert axis.get_xscale() == axis.get_yscale() == "log"


def test_bars_are_one_standard_deviation_and_absent_for_one_run():
    values = np.array([[1.0, 4.0], [3.0, 4.0]])
    (axis,) = spread_curves([0.1, 0.9], {"a": values}, x_label="x", label="y").axes
    assert list(axis.containers[0].lines[0].get_ydata()) == [2.0, 4.0]
    bar = axis.containers[0].lines[2][0].get_segments()[0]
    assert bar[:, 1] == pytest.approx([2 - 2**0.5, 2 + 2**0.5])
    (axis,) = spread_curves([0.1, 0.9], {"a": values[:1]}, x_label="x", label="y").axes
    assert not axis.containers[0].lines[2]
