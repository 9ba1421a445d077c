"""Scores of samples on sets whose worth is known beforehand."""

import math

import pytest
import torch
from torch import nn

from coursework.metrics.generated import brackets, class_shares, sample_scores
from coursework.nets.classifiers import ConvClassifier


class Corner(ConvClassifier):
    """A classifier that reads the class off the top left pixel, and whose features are the first two pixels."""

    def __init__(self):
        super().__init__(4, 2, (4, 4))

    def features(self, x):
        return x.flatten(1)[:, :2]

    def forward(self, x):
        label = (x[:, 0, 0] * 255).round().long() % 4
        return nn.functional.one_hot(label, 4).float()


@pytest.fixture
def images():
    x = torch.randint(0, 256, (200, 4, 4), dtype=torch.uint8)
    x[:, 0, 0] = torch.arange(200) % 4
    return x


def test_shares_count_classes(images):
    assert class_shares(Corner(), images).tolist() == [0.25] * 4
    assert class_shares(Corner(), images[images[:, 0, 0] != 2]).tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])


def test_a_set_against_itself_is_perfect(images):
    scores = sample_scores(images, images, Corner(), num_points=100)
    assert scores["ffid"] == pytest.approx(0, abs=1e-9)
    assert (scores["precision"], scores["recall"], scores["covered"]) == (1, 1, 4)
    assert scores["entropy"] == pytest.approx(2)
    assert scores["least_share"] == 0.25


def test_a_collapsed_set_is_precise_and_covers_nothing(images):
    collapsed = images[:1].repeat(200, 1, 1)
    scores = sample_scores(collapsed, images, Corner(), num_points=100)
    assert scores["precision"] == 1
    assert scores["recall"] < 0.1
    assert (scores["covered"], scores["entropy"], scores["least_share"]) == (1, 0, 0)
    a, b = images.flatten(1)[:, :2].double() / 255, collapsed.flatten(1)[:, :2].double() / 255
    expected = (a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum()  # the second Gaussian is a point
    assert scores["ffid"] == pytest.approx(expected.item(), rel=1e-5)


def test_brackets_are_ordered_and_shuffling_keeps_the_grey_values(images):
    found = brackets(images.roll(1, 0), images, Corner(), seed=3)
    assert found["other real images"]["ffid"] == pytest.approx(0, abs=1e-9)
    assert found["uniform noise"]["ffid"] > 0.01
    assert found["real images, pixels shuffled"]["ffid"] > 0.01
    assert not math.isnan(found["uniform noise"]["entropy"])
