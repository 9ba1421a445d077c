"""What the figure of told and untold losses draws."""

from coursework.figures.forcing import loss_panels


def test_every_panel_has_its_curves_on_one_axis():
    panels = {
        "told": {"a": ([0, 1], [5.0, 1.0]), "b": ([0, 1], [5.0, 2.0])},
        "untold": {"a": ([0, 1], [6.0, 3.0]), "b": ([0, 1], [6.0, 2.5])},
    }
    left, right = loss_panels(panels, label="nats").axes
    assert [left.get_title(), right.get_title()] == ["told", "untold"]
    assert [list(line.get_ydata()) for line in right.lines] == [[6.0, 3.0], [6.0, 2.5]]
    assert left.get_ylim() == right.get_ylim()
    assert left.get_yscale() == "log"
