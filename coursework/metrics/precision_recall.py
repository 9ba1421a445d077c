"""Two questions that one distance cannot answer apart: do samples look real, and do they cover what is real?"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class PrecisionRecall(NamedTuple):
    """Both shares, 0…1.

    Attributes:
        precision: of the samples that lie among the real ones.
        recall: of the real ones that lie among the samples.
    """

    precision: float
    recall: float


def precision_recall(
    real: Float[Tensor, "real feature"], samples: Float[Tensor, "sample feature"], num_neighbours: int = 3
) -> PrecisionRecall:
    """Improved precision and recall.

    A set reaches as far as balls around its points, each through the point's k-th nearest other one; precision is the
    share of samples inside the real set's balls, recall the share of real points inside the samples'. Both depend on
    the number of points: compare sets of one size.

    Args:
        real: features of real images.
        samples: features of generated ones.
        num_neighbours: k.

    Raises:
        ValueError: a set has no more points than neighbours, or a feature is not finite.

    Reference: Kynkäänniemi et al., arXiv:1904.06991, equations 1 and 2.
    """
    if num_neighbours < 1 or min(len(real), len(samples)) <= num_neighbours:
        raise ValueError(
            f"features {tuple(real.shape)} and {tuple(samples.shape)} with {num_neighbours} neighbours: give at least "
            "one neighbour, and more rows than neighbours on both sides."
        )
    if not (torch.isfinite(real).all() and torch.isfinite(samples).all()):
        raise ValueError("features are not all finite: the model that made the images has diverged.")
    real, samples = real.double(), samples.double()
    return PrecisionRecall(
        _covered(samples, real, num_neighbours).double().mean().item(),
        _covered(real, samples, num_neighbours).double().mean().item(),
    )


def _covered(points: Tensor, by: Tensor, num_neighbours: int) -> Bool[Tensor, " point"]:
    """Which points lie in a ball of the set `by`."""
    radius = _distances(by, by).kthvalue(num_neighbours + 1, dim=1).values  # the nearest one is the point itself
    return (_distances(points, by) <= radius).any(1)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
