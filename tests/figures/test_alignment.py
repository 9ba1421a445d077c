"""What the figures of alignments draw."""

from itertools import pairwise

import numpy as np

from coursework.figures.alignment import alignment_maps, grouped_bars, length_histograms


def test_every_panel_has_its_map_its_words_and_a_frame_per_gold_link():
    maps = {"one": np.eye(2, 3), "two": np.full((2, 3), 0.5)}
    figure = alignment_maps(maps, ["a", "b", "c"], ["x", "y"], {(0, 0), (1, 2)})
    for axis, (title, weights) in zip(figure.axes, maps.items(), strict=True):
        assert axis.get_xlabel() == title
        np.testing.assert_array_equal(axis.images[0].get_array(), weights)
        assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "c"]
        assert sorted((patch.get_y() + 0.5, patch.get_x() + 0.5) for patch in axis.patches) == [(0, 0), (1, 2)]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["x", "y"]


def test_bars_have_their_heights_and_do_not_overlap():
    axis = grouped_bars(["g", "h"], {"a": [1.0, 2.0], "b": [3.0, 4.0]}, label="l", x_label="x").axes[0]
    assert [bar.get_height() for bar in axis.patches] == [1, 2, 3, 4]
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches)
    assert all(after[0] >= before[1] - 1e-9 for before, after in pairwise(edges))


def test_lengths_are_counted():
    figure = length_histograms({"a": [2, 2, 3], "b": [5]})
    heights = [[bar.get_height() for bar in axis.patches] for axis in figure.axes]
    assert heights == [[0, 0, 2, 1, 0, 0], [0, 0, 0, 0, 0, 1]]
