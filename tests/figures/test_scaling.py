"""Scaling panels draw their numbers on logarithmic axes."""

import numpy as np

from coursework.figures.scaling import scaling_panels


def test_panels_draw_the_values():
    panels = {"seconds": {"a": [1.0, 2.0], "b": [3.0, 30.0]}, "bytes": {"a": [10.0, 10.0]}}
    figure = scaling_panels((1, 4), panels, size_label="outputs")
    first, second = figure.axes
    np.testing.assert_allclose(first.lines[1].get_xydata(), [[1, 3], [4, 30]])
    np.testing.assert_allclose(second.lines[0].get_ydata(), [10, 10])
    assert [axis.get_ylabel() for axis in figure.axes] == ["seconds", "bytes"]
    assert {axis.get_xscale() for axis in figure.axes} == {axis.get_yscale() for axis in figure.axes} == {"log"}
    assert first.lines[0].get_color() == second.lines[0].get_color()
