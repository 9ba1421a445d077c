"""Generated images beside real ones: how far, how real, how varied, in the features of a classifier."""

from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Num
from torch import Tensor

from coursework.metrics.frechet import frechet_distance
from coursework.metrics.precision_recall import precision_recall
from coursework.nets.classifiers import ConvClassifier


@torch.no_grad()
def quality_table(
    groups: Mapping[str, Num[Tensor, "image height width"]],
    real: Num[Tensor, "real height width"],
    classifier: ConvClassifier,
) -> pd.DataFrame:
    """F-FID, precision and recall of each group against the real images, all on 0…255: one row per group.

    All three depend on the number of images: give groups of one size, that of the real set.
    """
    reference = classifier.features(real.float() / 255)
    rows = []
    for name, images in groups.items():
        features = classifier.features(images.float() / 255)
        shares = precision_recall(reference, features)
        rows.append({"images": name, "F-FID": frechet_distance(features, reference), **shares._asdict()})
    return pd.DataFrame(rows)
