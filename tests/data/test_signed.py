"""Pixels on −1…1: a round trip of all grey values, and what is refused."""

import pytest
import torch

from coursework.data.signed import check_signed, signed, unsigned
from coursework.errors import CourseworkError


def test_every_grey_value_comes_back():
    values = torch.arange(256, dtype=torch.uint8)
    x = signed(values)
    assert (x.min().item(), x.max().item()) == (-1, 1)
    assert torch.equal(unsigned(x), values)
    assert torch.equal(unsigned(x + 0.003), values)
    check_signed(x)


@pytest.mark.parametrize("bad", [[0.0, 255.0], [-1.5, 0.0], [float("nan"), 0.0], [float("inf"), 0.0]])
def test_other_ranges_are_refused_with_a_remedy(bad):
    with pytest.raises(CourseworkError, match="Convert grey values"):
        check_signed(torch.tensor(bad), "x")
