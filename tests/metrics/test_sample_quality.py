"""A group of images is measured in the features, against the real ones, whatever stands beside it."""

import pytest
import torch

from coursework.metrics.sample_quality import quality_table
from coursework.nets.classifiers import ConvClassifier


@pytest.fixture
def images():
    return torch.randint(256, (40, 28, 28), dtype=torch.uint8)


def test_real_images_score_best_and_blank_ones_worst(images):
    classifier = ConvClassifier(10)
    frame = quality_table({"same": images, "blank": torch.zeros(40, 28, 28)}, images, classifier).set_index("images")
    assert frame.loc["same", "F-FID"] == pytest.approx(0, abs=1e-4)
    assert tuple(frame.loc["same", ["precision", "recall"]]) == (1, 1)
    assert frame.loc["blank", "F-FID"] > 10 * abs(frame.loc["same", "F-FID"])
    assert frame.loc["blank", "recall"] == 0


def test_a_group_is_measured_by_itself(images):
    classifier, other = ConvClassifier(10), 255 * torch.rand(40, 28, 28)
    alone = quality_table({"a": other}, images, classifier)
    beside = quality_table({"b": images, "a": other}, images, classifier)
    assert alone.loc[0, "F-FID"] == pytest.approx(beside.loc[1, "F-FID"])
