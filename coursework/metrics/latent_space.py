"""What a set of latents knows of the classes, and maps of it in the plane."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coursework.errors import CourseworkError

_COLLAPSED = 1e-6
"""Spread relative to the latents' size below which single precision holds nothing but rounding."""

_NEIGHBOURS = 3
"""Neighbours that t-SNE looks at, in units of the perplexity."""


class LatentError(CourseworkError):
    """Latents of which no map can be drawn and nothing be measured."""

    exit_code = 2


@dataclass(frozen=True)
class LatentMap:
    """A t-SNE map.

    Attributes:
        points: of the latents that the map was made of.
        embedding: openTSNE's, which places others.
    """

    points: Float[Tensor, "image 2"]
    embedding: Any

    def place(self, latents: Float[Tensor, "other latent"]) -> Float[Tensor, "other 2"]:
        """Where other latents lie in the map, each by itself: the map stays, and they do not act on one another.

        Raises:
            LatentError: a latent is not finite.
        """
        _check_finite(latents)
        return torch.from_numpy(self.embedding.transform(latents.double().numpy()).copy()).float()


def tsne(latents: Float[Tensor, "image latent"], seed: int, *, perplexity: int = 30) -> LatentMap:
    """The t-SNE map of latents: the same bytes for the same latents and seed on one machine.

    Starts at the first two principal components, so that the large-scale order is that of the latents.

    Args:
        latents: at least 3·perplexity + 1 of them.
        seed: of what the optimisation leaves to chance.
        perplexity: effective number of neighbours of a point.

    Raises:
        LatentError: latents that are not finite, that lie all but on one spot, of which too few differ, or too few for
            the perplexity.

    Reference: van der Maaten and Hinton, Journal of Machine Learning Research 9, 2008; Poličar et al., Journal of
    Statistical Software 109(3), 2024 (placing new points).
    """
    from openTSNE import TSNE

    _check_map(latents, perplexity)
    method = TSNE(perplexity=perplexity, neighbors="exact", negative_gradient_method="bh", n_jobs=1, random_state=seed)
    embedding = method.fit(latents.double().numpy())
    return LatentMap(torch.from_numpy(embedding.view().copy()).float(), embedding)


def map_trustworthiness(
    latents: Float[Tensor, "image latent"], points: Float[Tensor, "image 2"], num_neighbours: int = 10
) -> float:
    """How far neighbours in the map are neighbours among the latents, 0…1; 1 where all are.

    Raises:
        LatentError: a latent is not finite, or there are not more than twice as many as neighbours.

    Reference: Venna and Kaski, ICANN 2001.
    """
    from sklearn.manifold import trustworthiness

    _check_finite(latents)
    if len(latents) <= 2 * num_neighbours:
        raise LatentError(
            f"num_neighbours = {num_neighbours} with {len(latents)} latents: trustworthiness needs more than twice as "
            "many latents as neighbours. Give more images or fewer neighbours."
        )
    return float(trustworthiness(latents.double().numpy(), points.double().numpy(), n_neighbors=num_neighbours))


def leave_one_out_accuracy(
    latents: Float[Tensor, "image latent"], labels: Int[Tensor, " image"], num_neighbours: int = 10
) -> float:
    """Share of latents whose class is that of most of their nearest others; a tie goes to the smallest label.

    Raises:
        LatentError: a latent is not finite, or there are not more of them than neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    _check_neighbours(latents, num_neighbours, needed=num_neighbours + 1)
    search = NearestNeighbors(n_neighbors=num_neighbours).fit(latents.double().numpy())
    nearest = torch.from_numpy(search.kneighbors(return_distance=False))  # (image, neighbour), itself left out
    return (labels[nearest].mode(1).values == labels).double().mean().item()


def transfer_accuracy(
    latents: Float[Tensor, "image latent"],
    labels: Int[Tensor, " image"],
    test_latents: Float[Tensor, "test latent"],
    test_labels: Int[Tensor, " test"],
    num_neighbours: int = 10,
) -> float:
    """Share of test latents whose class is that of most of the nearest training latents.

    Raises:
        LatentError: a latent is not finite, or there are fewer training latents than neighbours.
    """
    from sklearn.neighbors import KNeighborsClassifier

    _check_neighbours(latents, num_neighbours, needed=num_neighbours)
    _check_finite(test_latents)
    classifier = KNeighborsClassifier(num_neighbours).fit(latents.double().numpy(), labels.numpy())
    return float(classifier.score(test_latents.double().numpy(), test_labels.numpy()))


def silhouette(latents: Float[Tensor, "image latent"], labels: Int[Tensor, " image"]) -> float:
    """Mean over latents of (b − a)/max(a, b), a the mean distance to the own class, b to the nearest other one.

    Between −1 and 1; near 0 where classes touch, below where they interleave.

    Raises:
        LatentError: a latent is not finite, or the labels make fewer than two classes or as many as images.

    Reference: Rousseeuw, Journal of Computational and Applied Mathematics 20, 1987.
    """
    from sklearn.metrics import silhouette_score

    _check_finite(latents)
    num_classes = len(labels.unique())
    if not 2 <= num_classes < len(labels):
        raise LatentError(
            f"{len(labels)} latents in {num_classes} classes: a silhouette needs at least two classes, and one of them "
            "with two latents. Give more images."
        )
    return float(silhouette_score(latents.double().numpy(), labels.numpy()))


def _check_map(latents: Tensor, perplexity: int) -> None:
    """Nothing, if a map of this perplexity can be drawn.

    Raises:
        LatentError: what stands against it.
    """
    _check_finite(latents)
    needed = _NEIGHBOURS * perplexity + 1
    if perplexity < 1 or len(latents) < needed:
        raise LatentError(
            f"perplexity = {perplexity} with {len(latents)} latents: t-SNE needs a perplexity of at least 1 and "
            f"{needed} latents for this one. Give more images or a lower perplexity."
        )
    spread = (latents.double() - latents.double().mean(0)).square().mean().sqrt().item()
    size = max(1e-30, latents.double().square().mean().sqrt().item())
    collapsed = "The latent space has collapsed: train longer, at a higher latent rate or with a smaller beta or scale."
    if spread < _COLLAPSED * size:
        raise LatentError(f"{len(latents)} latents lie on one spot: spread {spread:.1e}, size {size:.1e}. {collapsed}")
    distinct = len(torch.unique(latents, dim=0))
    if distinct < needed:
        raise LatentError(
            f"only {distinct} of {len(latents)} latents differ: perplexity {perplexity} needs {needed}. {collapsed}"
        )


def _check_neighbours(latents: Tensor, num_neighbours: int, needed: int) -> None:
    _check_finite(latents)
    if num_neighbours < 1 or len(latents) < needed:
        raise LatentError(
            f"num_neighbours = {num_neighbours} with {len(latents)} latents: give at least 1 neighbour and "
            f"{needed} latents."
        )


def _check_finite(latents: Tensor) -> None:
    bad = int((~torch.isfinite(latents)).any(1).sum())
    if bad:
        raise LatentError(
            f"{bad} of {len(latents)} latents are not finite: the training or the test-time fit has diverged. Lower "
            "latent_rate or test_rate."
        )
