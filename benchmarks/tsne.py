"""t-SNE of 64 principal components of clothing: scikit-learn beside openTSNE, each on one thread.

Cost, and how good the maps are: the share of ten nearest neighbours in the plane that have an image's label, and
trustworthiness. openTSNE takes part in both of its ways, and as `coursework.metrics.latent_space.tsne` calls it.
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import torch
from _measure import cpu_seconds, write
from openTSNE import TSNE as OpenTSNE
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from coursework.data import load
from coursework.metrics.latent_space import tsne
from coursework.training.device import device_name

CASES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scikit-learn": lambda codes: TSNE(n_jobs=1, random_state=0).fit_transform(codes),
    "openTSNE": lambda codes: np.asarray(OpenTSNE(n_jobs=1, random_state=0).fit(codes)),
    "openTSNE fft": lambda codes: np.asarray(
        OpenTSNE(n_jobs=1, random_state=0, negative_gradient_method="fft").fit(codes)
    ),
    "ours": lambda codes: tsne(torch.from_numpy(codes), 0).points.numpy(),
}


def agreement(points: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose ten neighbours vote for their label, the image itself left out."""
    neighbours = KNeighborsClassifier(11).fit(points, labels).kneighbors(points, return_distance=False)
    votes = [np.bincount(labels[[j for j in row if j != i][:10]]).argmax() for i, row in enumerate(neighbours)]
    return float((np.array(votes) == labels).mean())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000], help="numbers of images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"CPU seconds, one thread of {device_name()}")
    print(f"{'images':>8}  {'':14}{'seconds':>9}{'by sklearn':>12}{'10 nearest':>12}{'trust':>8}")
    rows = []
    for size in options.sizes:
        images = load("fashion-mnist", "test", n=size)
        codes = PCA(64, random_state=0).fit_transform(images.images.flatten(1).double().numpy() / 255)
        for name, method in CASES.items():
            maps: list[np.ndarray] = []
            seconds = cpu_seconds(lambda method=method, codes=codes, maps=maps: maps.append(method(codes)))
            first = seconds if name == "scikit-learn" else first
            scores = agreement(maps[0], images.labels.numpy()), float(trustworthiness(codes, maps[0], n_neighbors=10))
            rows.append(
                {"images": size, "method": name, "seconds": seconds, "agreement": scores[0], "trust": scores[1]}
            )
            print(
                f"{size:8}  {name:14}{seconds:9.1f}{seconds / first:12.2f}{scores[0]:12.3f}{scores[1]:8.4f}", flush=True
            )
    write("tsne", {"maps": rows})


if __name__ == "__main__":
    main()
