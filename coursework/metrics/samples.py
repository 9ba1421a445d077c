"""Decoded images beside real ones, in the features of a classifier."""

from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Num
from torch import Tensor

from coursework.metrics.frechet import frechet_distance
from coursework.nets.classifiers import ConvClassifier


@torch.no_grad()
def frechet_table(
    groups: Mapping[str, Num[Tensor, "image height width"]],
    real: Num[Tensor, "real height width"],
    classifier: ConvClassifier,
) -> pd.DataFrame:
    """F-FID of each group of images against the real ones, images 0…255: columns `images` and `F-FID`.

    F-FID is the Fréchet distance in the classifier's features. Fréchet distances depend on the number of images: give
    groups of one size.
    """
    reference = classifier.features(real.float() / 255)
    values = {
        name: frechet_distance(classifier.features(images.float() / 255), reference) for name, images in groups.items()
    }
    return pd.DataFrame({"images": list(values), "F-FID": list(values.values())})
