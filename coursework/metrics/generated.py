"""Generated images in numbers, all in the features and the eyes of our own classifier."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from coursework.metrics.frechet import frechet_distance
from coursework.metrics.precision_recall import precision_recall
from coursework.nets.classifiers import ConvClassifier

LEAST_SHARE = 0.05
"""Share of the samples from which on a class counts as covered; ten classes have a tenth each."""

NUM_POINTS = 1000
"""Images on either side for precision and recall, whose cost grows with the square of it."""


@torch.no_grad()
def class_shares(classifier: ConvClassifier, images: UInt8[Tensor, "image height width"]) -> Float[Tensor, " class"]:
    """Share of the images that the classifier puts into each class."""
    guesses = torch.cat([classifier(part / 255).argmax(1) for part in images.split(1000)])
    return torch.bincount(guesses, minlength=classifier.head.out_features) / len(images)


def sample_scores(
    samples: UInt8[Tensor, "sample height width"],
    real: UInt8[Tensor, "real height width"],
    classifier: ConvClassifier,
    num_points: int = NUM_POINTS,
) -> dict[str, float]:
    """How far, how real, how varied: F-FID, precision and recall, and how the classes are covered.

    `ffid` uses all images; `precision` and `recall` the first `num_points` of either set; `least_share` is that of the
    rarest class, `covered` the number of classes with at least `LEAST_SHARE`, `entropy` that of the shares in bits.
    All depend on the number of images: compare sets of one size.

    Raises:
        ValueError: fewer images than neighbours, or features that are not finite.
    """
    features, reference = (_features(classifier, images) for images in (samples, real))
    near = precision_recall(reference[:num_points], features[:num_points])
    shares = class_shares(classifier, samples)
    return {
        "ffid": frechet_distance(features, reference),
        **near._asdict(),
        "least_share": shares.min().item(),
        "covered": float((shares >= LEAST_SHARE).sum()),
        "entropy": -torch.special.xlogy(shares, shares).sum().item() / torch.log(torch.tensor(2.0)).item(),
    }


def brackets(
    other: UInt8[Tensor, "image height width"],
    real: UInt8[Tensor, "real height width"],
    classifier: ConvClassifier,
    seed: int = 0,
) -> Mapping[str, dict[str, float]]:
    """`sample_scores` of what is perfect and of what is worthless: other real images, and two kinds of noise.

    Args:
        other: real images that are not in `real`, as many.
        real: what everything is measured against.
        classifier: of the features.
        seed: of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(other.flatten(1).shape, generator=generator).argsort(1)
    groups = {
        "other real images": other,
        "real images, pixels shuffled": other.flatten(1).gather(1, order).view_as(other),
        "uniform noise": torch.randint(0, 256, other.shape, generator=generator, dtype=torch.uint8),
    }
    return {name: sample_scores(images, real, classifier) for name, images in groups.items()}


@torch.no_grad()
def _features(classifier: ConvClassifier, images: Tensor) -> Tensor:
    return torch.cat([classifier.features(part / 255) for part in images.split(1000)])
