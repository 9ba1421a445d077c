"""Figures of LayerNorm's placement draw the numbers that they are given."""

import numpy as np

from coursework.figures.norm_placement import (
    gradients_by_depth,
    layers_and_lengths,
    stability_maps,
    training_panels,
)


def test_fitted_powers_pass_through_the_centre():
    depths = (1, 4, 16)
    values = 2 * np.array(depths) ** -0.5 * np.array([[0.9], [1 / 0.9]])
    figure = gradients_by_depth(depths, {"pre": {"64": values}}, {"pre": {"64": -0.5}}, {"pre": -0.5})
    axis = figure.axes[0]
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    points, fit, theory = axis.containers[0][0], *[line for line in axis.lines if len(line.get_xdata()) == 3][-2:]
    np.testing.assert_allclose(points.get_ydata(), [2, 1, 0.5])
    np.testing.assert_allclose(fit.get_ydata(), [2, 1, 0.5])
    np.testing.assert_allclose(theory.get_ydata() / fit.get_ydata(), 1.5)


def test_layers_and_lengths_show_means_and_the_band():
    gradients = {"post": np.array([[1.0, 2.0], [3.0, 2.0]])}
    figure = layers_and_lengths(gradients, {"pre": np.array([[1.0, 2.0, 3.0]])}, (0.5, 1.5))
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[-1].get_ydata(), [2, 2])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [1, 2, 3])
    corners = right.collections[0].get_paths()[0].vertices
    assert {(2.0, 2.0), (2.0, 4.0)} <= {tuple(corner) for corner in corners}


def test_training_panels_share_curves_and_baseline():
    losses = {"1 layer": {"post, none": [3.0, 2.0], "post, warm": [3.0, 2.5]}, "8 layers": {"post, none": [4.0, 4.0]}}
    figure = training_panels(losses, losses, baseline=4.1, baseline_label="unigram")
    assert len(figure.axes) == 4
    assert figure.axes[0].lines[1].get_ydata().tolist() == [3.0, 2.5]
    assert figure.axes[1].lines[-1].get_ydata()[0] == 4.1
    assert figure.axes[2].get_yscale() == "log"


def test_maps_mark_what_does_not_train():
    figure = stability_maps({"post": [[2.0, 4.0]]}, {"post": [[True, False]]}, (8,), (1e-3, 1e-2))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["2.00", "× 4.00"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.001", "0.01"]
