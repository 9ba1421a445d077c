"""Attention maps: the weights are what is drawn, from black for zero to white for one."""

import numpy as np

from coursework.figures.attention import attention_map


def test_the_map_shows_its_weights_words_and_readings():
    weights = np.array([[0.9, 0.1, 0.0], [0.5, 0.25, 0.25]])
    figure = attention_map(weights, ("a", "b", "c"), ("x", "y"), {"a": (0, 0, 0), "c": (1, 0, 2)})
    axis = figure.axes[0]
    (picture,) = axis.images
    np.testing.assert_allclose(picture.get_array(), weights)
    assert picture.get_clim() == (0, 1)
    assert picture.get_cmap()(1.0)[:3] == (1, 1, 1)
    assert picture.get_cmap()(0.0)[:3] == (0, 0, 0)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["x", "y"]
    first, second = axis.patches
    assert (first.get_x(), first.get_y(), first.get_width()) == (-0.5, -0.5, 1)
    assert (second.get_y(), second.get_width()) == (0.5, 3)
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["a", "c", "max", "0.90", "0.50", "sum", "1.00", "1.00"]
