"""The table's columns for models whose results are known: one that copies, one that knows the class, one of noise."""

import math

import pytest
import torch

from coursework.experiments import contenders
from coursework.experiments.contenders import Contender, scores, yardsticks
from coursework.nets.classifiers import ConvClassifier


@pytest.fixture
def known(monkeypatch):
    """Images whose class can be read off one row of pixels, in the place of the data set's."""

    def rows(split, count, profile="fast"):
        generator = torch.Generator().manual_seed({"train": 1, "test": 2}[split])
        labels = torch.randint(0, 10, (count,), generator=generator)
        images = torch.randint(0, 60, (count, 28, 28), generator=generator, dtype=torch.uint8)
        images[torch.arange(count), 2 * labels, :] = 255
        return images, labels

    monkeypatch.setattr(contenders, "_split", rows)
    torch.manual_seed(0)
    return rows, ConvClassifier(10).requires_grad_(False)


def contender(draw, represent=None):
    return Contender("none", draw, represent, 1.5, 7)


def test_a_copier_is_perfect_and_noise_is_not(known):
    rows, classifier = known
    copier = scores(contender(lambda n, seed: rows("test", n)[0]), classifier, "fast", 0)
    assert copier["F-FID"] == pytest.approx(0, abs=1e-4)
    assert (copier["precision"], copier["recall"]) == (1.0, 1.0)
    assert math.isnan(copier["k-NN"])
    assert (copier["training"], copier["training images"]) == (1.5, 7)
    noise = scores(contender(lambda n, seed: torch.full((n, 28, 28), 255, dtype=torch.uint8)), classifier, "fast", 0)
    assert noise["F-FID"] > copier["F-FID"] + 1e-3
    assert noise["recall"] < 1


def test_a_representation_that_knows_the_class_is_always_right(known):
    rows, classifier = known

    def represent(images, split):
        return torch.nn.functional.one_hot(rows(split, len(images))[1], 10).float()

    row = scores(contender(lambda n, seed: rows("test", n)[0], represent), classifier, "fast", 0)
    assert row["k-NN"] == 1.0
    blind = scores(
        contender(lambda n, seed: rows("test", n)[0], lambda x, _: torch.rand(len(x), 3)), classifier, "fast", 0
    )
    assert blind["k-NN"] < 0.4


def test_real_images_are_a_yardstick(known):
    _, classifier = known
    row = yardsticks(classifier, "fast")["real images"]
    assert row["k-NN"] == 1.0
    assert row["F-FID"] > 0
