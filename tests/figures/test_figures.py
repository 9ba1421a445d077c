"""Figures: the arrays are what is drawn, bytes repeat, and nothing leaks into matplotlib's settings."""

import io

import matplotlib as mpl
import numpy as np
import pytest
import torch

from coursework.figures.curves import histograms, line_curves
from coursework.figures.grids import image_rows


def svg(figure):
    with io.BytesIO() as out:
        figure.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()


def test_rows_show_their_images_under_one_scale():
    rows = {"first": torch.rand(3, 5, 5) * 255, "second": torch.rand(2, 5, 5) * 100}
    figure = image_rows(rows)
    shown = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(shown) == 5
    np.testing.assert_allclose(shown[0].get_array(), rows["first"][0])
    np.testing.assert_allclose(shown[3].get_array(), rows["second"][0])
    assert {image.get_clim() for image in shown} == {(0.0, 255.0)}
    assert [text.get_text() for text in figure.texts] == ["first", "second"]


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        image_rows({})


def test_curves_draw_the_values():
    figure = line_curves({"a": ([1.0, 2.0, 3.0], [9.0, 3.0, 1.0]), "b": ([1.0, 2.0], [5.0, 4.0])}, label="error")
    lines = figure.axes[0].lines
    np.testing.assert_allclose(lines[0].get_xydata(), [[1, 9], [2, 3], [3, 1]])
    assert [line.get_label() for line in lines] == ["a", "b"]
    assert figure.axes[0].get_yscale() == "log"


def test_histograms_share_bins_and_have_area_one():
    figure = histograms({"length": {"a": np.arange(10.0), "b": np.arange(5.0, 25.0)}}, bins=8)
    bars = [container.patches for container in figure.axes[0].containers]
    for patches in bars:
        assert sum(p.get_width() * p.get_height() for p in patches) == pytest.approx(1)
    assert [p.get_x() for p in bars[0]] == [p.get_x() for p in bars[1]]


def test_bytes_repeat_and_settings_stay(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    before = dict(mpl.rcParams)
    rows = {"a": torch.rand(2, 4, 4)}
    with mpl.rc_context({"svg.hashsalt": "coursework"}):
        assert svg(image_rows(rows)) == svg(image_rows(rows))
    assert dict(mpl.rcParams) == before
