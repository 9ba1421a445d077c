"""Maps and frontiers show what they are given."""

import numpy as np
import pytest
import torch

from coursework.figures.frontier import frontier
from coursework.figures.latent_maps import CLASS_COLOURS, Panel, latent_maps


def test_points_stand_where_they_are_in_their_class_colour():
    points, labels = torch.randn(20, 2), torch.arange(20) % 3
    figure = latent_maps({"a": Panel(points, labels), "b": Panel(points + 1, labels)}, ["x", "y", "z"])
    drawn = figure.axes[0].collections[0]
    np.testing.assert_allclose(drawn.get_offsets(), points.numpy(), rtol=1e-6)
    channels = [int(CLASS_COLOURS[2][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    np.testing.assert_allclose(drawn.get_facecolor()[2][:3], channels)
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0 x", "1 y", "2 z"]


def test_others_and_a_path_are_drawn_on_top():
    panel = Panel(torch.randn(9, 2), torch.zeros(9).long(), torch.ones(2, 2), torch.tensor([0, 1]), torch.eye(2))
    axis = latent_maps({"a": panel}, ["x", "y"]).axes[0]
    np.testing.assert_allclose(axis.collections[1].get_offsets(), np.ones((2, 2)))
    np.testing.assert_allclose(axis.lines[0].get_xydata(), np.eye(2))


def test_no_panel_and_too_many_classes_are_refused():
    with pytest.raises(ValueError, match="0 panels"):
        latent_maps({}, ["x"])
    with pytest.raises(ValueError, match="11 classes"):
        latent_maps({"a": Panel(torch.zeros(1, 2), torch.zeros(1).long())}, list("abcdefghijk"))


def test_the_frontier_shows_points_labels_and_the_region():
    figure = frontier(
        {"a": [(0.1, 30.0, "p"), (0.2, 10.0, "q")], "b": [(0.15, 60.0, "r")]},
        x_label="x",
        y_label="y",
        x_most=0.12,
        y_most=20.0,
    )
    axis = figure.axes[0]
    np.testing.assert_allclose(axis.lines[0].get_xydata(), [[0.1, 30], [0.2, 10]])
    assert [text.get_text() for text in axis.texts] == ["p", "q", "r"]
    region = axis.collections[0].get_paths()[0].vertices
    assert region[:, 0].max() == pytest.approx(0.12)
    assert region[:, 1].max() == pytest.approx(20)
