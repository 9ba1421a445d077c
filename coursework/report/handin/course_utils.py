"""Data and figures as the course's contract describes them, from CSV files, with t-SNE and a row of images."""

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

NUM_ROWS = 1000
SIDE = 28
COLUMNS = ["label", *(f"pixel{number}" for number in range(1, SIDE**2 + 1))]


class FashionDataset(Dataset[tuple[int, Tensor]]):
    """The first thousand rows of a CSV file: `X` int64 (N, 28, 28) on 0..255, `y` int64 (N,); item i is (i, X[i]).

    Raises:
        ValueError: a column is missing, misnamed or more than there should be, a value is no whole number in its range,
            or there is no row.
    """

    def __init__(self, csv_path: str | Path) -> None:
        try:
            frame = pd.read_csv(csv_path, nrows=NUM_ROWS, encoding="utf-8")
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ValueError(f"{csv_path} is no CSV file: {str(error).strip()}.") from None
        values = _checked(frame, csv_path)
        self.X = torch.from_numpy(values[:, 1:]).reshape(-1, SIDE, SIDE)
        self.y = torch.from_numpy(values[:, 0].copy())

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.X[index]


def _checked(frame: pd.DataFrame, path: str | Path) -> "np.ndarray[Any, np.dtype[np.int64]]":
    wrong = next(
        (number for number, name in enumerate(COLUMNS) if list(frame.columns[number : number + 1]) != [name]), None
    )
    if wrong is not None:
        found = frame.columns[wrong] if wrong < len(frame.columns) else "nothing"
        raise ValueError(f"{path}: column {wrong + 1} should be {COLUMNS[wrong]!r}, found {found!r}.")
    if len(frame.columns) > len(COLUMNS):
        raise ValueError(f"{path} has {len(frame.columns)} columns, {len(COLUMNS)} are expected.")
    if frame.empty:
        raise ValueError(f"{path} has no rows.")
    for name, limit in ((COLUMNS[0], 9), (COLUMNS[1:], 255)):
        part = frame[[name] if isinstance(name, str) else name]
        numbers = part.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
        bad = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers <= limit))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            value = part.astype(object).iat[row, column]
            raise ValueError(
                f"{path}: row {row + 1}, column {part.columns[column]!r} holds {value!r}, expected a whole number "
                f"from 0 to {limit}."
            )
    return frame.to_numpy(dtype=np.int64)


def create_dataloaders(
    data_path: str | Path = "data", **dl_args: Any
) -> tuple[FashionDataset, DataLoader, FashionDataset, DataLoader]:
    """Training and test images, each with a loader of batches (i, x); `dl_args` go to the loaders."""
    train_ds, test_ds = (FashionDataset(Path(data_path) / f"fashion-mnist_{split}.csv") for split in ("train", "test"))
    return train_ds, DataLoader(train_ds, **dl_args), test_ds, DataLoader(test_ds, **dl_args)


def plot_tsne(dataset: FashionDataset, latents: Tensor, file_name: str, plot_title: str = "t-SNE Plot") -> None:
    """Two dimensions of latents (N, d), which are in the order of the data set, coloured by its labels, in a file."""
    from sklearn.manifold import TSNE

    rows = latents.detach().cpu().numpy()
    points = TSNE(n_components=2, perplexity=min(30, (len(rows) - 1) / 3), init="random", random_state=0).fit_transform(
        rows
    )
    figure = Figure(figsize=(8, 6))
    axes = figure.subplots()
    shown = axes.scatter(points[:, 0], points[:, 1], c=dataset.y, cmap=matplotlib.colormaps["tab10"], s=8)
    figure.colorbar(shown, ax=axes)
    axes.set_title(plot_title)
    figure.savefig(file_name)


def save_images(images: Tensor, file_name: str) -> None:
    """Images (N, 1, 28, 28) on 0..255 side by side in a file."""
    if images.dim() != 4 or images.shape[1:] != (1, SIDE, SIDE):
        raise ValueError(f"images of shape {tuple(images.shape)}: (N, 1, {SIDE}, {SIDE}) is expected.")
    row = np.concatenate(list(images[:, 0].detach().cpu().numpy()), axis=1)
    matplotlib.image.imsave(file_name, row, cmap="gray", vmin=0, vmax=255)
