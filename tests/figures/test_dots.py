"""Rows of dots: every number is drawn, in its row, and nothing else."""

import pytest

from coursework.figures.dots import dot_rows


def test_every_number_has_its_dot():
    rows = {"a": {"one": [0.5, 0.6], "two": [1.0]}, "b": {"one": [0.9], "two": [0.1]}}
    figure = dot_rows(rows, label="accuracy", baseline=0.25, baseline_label="chance")
    (axis,) = figure.axes
    line, first, second = axis.lines
    assert list(line.get_xdata()) == [0.25, 0.25]
    assert list(first.get_xdata()) == [0.5, 0.6, 0.9]
    assert [round(height) for height in first.get_ydata()] == [0, 0, 1]
    assert list(second.get_xdata()) == [1.0, 0.1]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["a", "b"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first row is on top
    assert second.get_ydata()[0] - first.get_ydata()[0] == pytest.approx(0.24)
