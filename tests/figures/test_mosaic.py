"""The mosaic's pixels are the images', in their places."""

import numpy as np
import pytest
import torch

from coursework.figures.mosaic import mosaic


def test_every_image_stands_in_its_place():
    images = torch.rand(6, 2, 3)
    shown = np.asarray(mosaic(images, 3).axes[0].images[0].get_array())
    assert shown.shape == (4, 9)
    for number in range(6):
        row, column = divmod(number, 3)
        tile = shown[2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        np.testing.assert_array_equal(tile, images[number].numpy())


@pytest.mark.parametrize(("count", "columns"), [(5, 2), (0, 1), (4, 0)])
def test_rows_that_are_not_filled_are_refused(count, columns):
    with pytest.raises(ValueError, match=f"{count} images in rows of {columns}"):
        mosaic(torch.zeros(count, 2, 2), columns)
