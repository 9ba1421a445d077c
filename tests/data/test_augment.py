"""Altered copies: the originals first, altered by no more than asked, the same for the same generator."""

import pytest
import torch

from coursework.data.augment import augment


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    """A bright square off centre on black, twenty times."""
    x = torch.zeros(20, 28, 28, dtype=torch.uint8)
    x[:, 8:16, 6:14] = 200
    return x


def test_originals_come_first_and_copies_follow_in_order(images):
    images[3] = 0  # recognisable
    made = augment(images, 3, generator())
    assert made.shape == (80, 28, 28)
    assert torch.equal(made[:20], images)
    for copy in range(1, 4):
        assert made[20 * copy + 3].max() == 0


def test_nothing_asked_is_a_mirror_or_the_image_itself(images):
    made = augment(images, 5, generator(), shift=0.0, degrees=0.0, zoom=0.0, gain=0.0)[20:]
    plain = [torch.equal(image, images[0]) for image in made]
    mirrored = [torch.equal(image, images[0].flip(1)) for image in made]
    assert all(a or b for a, b in zip(plain, mirrored, strict=True))
    assert 0.3 < sum(mirrored) / len(made) < 0.7


def test_shifts_move_the_centre_by_no_more_than_asked(images):
    made = augment(images, 10, generator(), shift=2.0, degrees=0.0, zoom=0.0, gain=0.0)[20:].double()
    rows = (made.sum(2) * torch.arange(28)).sum(1) / made.sum((1, 2))
    moved = rows - 11.5
    assert moved.abs().max() < 2.05
    assert moved.abs().max() > 1.0


def test_gain_scales_brightness_by_no_more_than_asked(images):
    made = augment(images, 10, generator(), shift=0.0, degrees=0.0, zoom=0.0, gain=0.2)[20:]
    brightest = made.flatten(1).max(1).values.double() / 200
    assert brightest.max() <= 1.21
    assert brightest.min() >= 0.79
    assert brightest.std() > 0.05


def test_the_generator_decides(images):
    assert torch.equal(augment(images, 2, generator(1)), augment(images, 2, generator(1)))
    assert not torch.equal(augment(images, 2, generator(1)), augment(images, 2, generator(2)))


def test_strength_scales_every_amount(images):
    amounts = {"shift": 1.0, "degrees": 3.0, "zoom": 0.04, "gain": 0.1}
    doubled = {name: 2 * amount for name, amount in amounts.items()}
    stronger = augment(images, 2, generator(), **amounts, strength=2.0)
    assert torch.equal(stronger, augment(images, 2, generator(), **doubled))
    with pytest.raises(ValueError, match="strength = -1"):
        augment(images, 1, generator(), strength=-1.0)


def test_fewer_than_none_is_refused(images):
    with pytest.raises(ValueError, match="copies = -1"):
        augment(images, -1, generator())
