"""The picture of the two pulls draws the numbers it is given."""

import numpy as np

from coursework.figures.saturation import pull_figure


def test_lines_and_dots_are_the_given_numbers():
    grid = (np.arange(10) + 0.5) / 10
    figure = pull_figure([0.4, 0.01], {"one": [0.2, 0.01], "other": [0.3, 0.9]}, {"one": grid, "other": 1 - grid})
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_xdata(), left.lines[0].get_ydata())
    np.testing.assert_allclose(left.lines[0].get_ydata() + left.lines[1].get_ydata(), 1)
    assert [list(line.get_ydata()) for line in right.lines] == [[0.2, 0.01], [0.3, 0.9]]
    assert list(right.lines[1].get_xdata()) == [0.4, 0.01]
