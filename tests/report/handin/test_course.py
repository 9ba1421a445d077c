"""Our harness against the contract's formulas, and CSV files that are not what they should be."""

import numpy as np
import pytest
import torch
from torch import nn

from coursework.metrics.reconstruction import course_score
from coursework.report.handin.course_evaluate import evaluate_model, reconstruction_loss
from coursework.report.handin.course_utils import (
    COLUMNS,
    FashionDataset,
    create_dataloaders,
    plot_tsne,
    save_images,
)
from coursework.report.handin.rehearsal import write_csv


def test_the_loss_is_a_norm_over_the_number_of_pixels():
    x, rec = torch.randint(0, 256, (7, 28, 28)), 255 * torch.rand(7, 28, 28)
    expected = np.linalg.norm((x.double() - rec.double()).numpy().ravel()) / (7 * 784)
    assert reconstruction_loss(x, rec).item() == pytest.approx(expected, rel=1e-6)
    assert reconstruction_loss(x, rec).shape == ()


def test_data_have_the_courses_shapes(csv):
    train, train_loader, test, test_loader = create_dataloaders(csv, batch_size=64)
    assert (train.X.dtype, train.y.dtype, tuple(train.X.shape)) == (torch.int64, torch.int64, (80, 28, 28))
    index, image = train[5]
    assert index == 5
    assert torch.equal(image, train.X[5])
    batches = list(test_loader)
    assert [i.tolist() for i, _ in batches] == [list(range(64)), list(range(64, 70))]
    assert torch.equal(torch.cat([x for _, x in batches]), test.X)
    assert [len(i) for i, _ in create_dataloaders(csv)[1]] == [1] * 80  # the default batch
    assert len(train_loader) == 2


def test_a_thousand_rows_are_read_and_come_back_as_written(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (1003, 28, 28), dtype=np.uint8), rng.integers(0, 10, 1003)
    write_csv(tmp_path / "a.csv", images, labels)
    found = FashionDataset(tmp_path / "a.csv")
    assert len(found) == 1000
    np.testing.assert_array_equal(found.X.numpy(), images[:1000])
    np.testing.assert_array_equal(found.y.numpy(), labels[:1000])


class Rows(nn.Module):
    """A model whose images are its latents, times a weight; it notes the modes it is called in."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.modes = []

    def forward(self, z):
        self.modes.append(self.training)
        return self.weight * z.reshape(-1, 28, 28)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_moves_what_the_optimiser_holds_and_averages_the_batches(csv, training):
    _, _, test, loader = create_dataloaders(csv, batch_size=64)
    latents, model = nn.Parameter(torch.full((70, 784), 100.0)), Rows().train(training)
    before = course_score(test.X, latents.detach().reshape(-1, 28, 28))
    still = torch.optim.SGD([latents], lr=1.0)
    assert evaluate_model(model, loader, still, latents, 0, torch.device("cpu")) == pytest.approx(before, rel=1e-4)
    adam = torch.optim.Adam([latents], lr=5.0)
    after = evaluate_model(model, loader, adam, latents, 10, torch.device("cpu"))
    assert after < 0.8 * before
    assert after == pytest.approx(course_score(test.X, latents.detach().reshape(-1, 28, 28)), rel=1e-4)
    assert model.weight.item() == 1
    assert set(model.modes) == {training}


@pytest.fixture
def lines(csv):
    """The CSV file of the test images, line by line."""
    return (csv / "fashion-mnist_test.csv").read_text(encoding="utf-8").splitlines()


def row(lines, number, column, value):
    cells = lines[number].split(",")
    cells[column] = value
    return [*lines[:number], ",".join(cells), *lines[number + 1 :]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[1:], "column 1 should be 'label'"),
        (lambda lines: row(lines, 0, 5, "pixel6"), "column 6 should be 'pixel5', found 'pixel6'"),
        (lambda lines: [",".join(line.split(",")[:-1]) for line in lines], "'pixel784', found 'nothing'"),
        (lambda lines: [f"{line},1" for line in lines], "786 columns"),
        (lambda lines: lines[:1], "no rows"),
        (lambda _: [], "no CSV"),
        (lambda lines: row(lines, 3, 10, "256"), "row 3, column 'pixel10' holds 256"),
        (lambda lines: row(lines, 3, 10, "-1"), "row 3, column 'pixel10' holds -1"),
        (lambda lines: row(lines, 3, 10, "0.5"), "row 3, column 'pixel10' holds 0.5"),
        (lambda lines: row(lines, 3, 10, "black"), "row 3, column 'pixel10' holds 'black'"),
        (lambda lines: row(lines, 3, 10, ""), "row 3, column 'pixel10' holds nan"),
        (lambda lines: row(lines, 3, 10, "inf"), "row 3, column 'pixel10' holds inf"),
        (lambda lines: row(lines, 2, 0, "10"), "row 2, column 'label' holds 10"),
        (lambda lines: [*lines[:2], lines[2] + ",1", *lines[3:]], "no CSV"),
    ],
)
def test_a_csv_file_that_is_not_the_courses(tmp_path, lines, change, said):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(change(lines)), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        FashionDataset(path)


def test_the_columns_are_those_of_the_contract():
    assert COLUMNS[:3] == ["label", "pixel1", "pixel2"]
    assert (COLUMNS[-1], len(COLUMNS)) == ("pixel784", 785)


def test_a_map_of_latents_that_are_all_the_same_is_drawn(csv, tmp_path):
    train = FashionDataset(csv / "fashion-mnist_test.csv")
    plot_tsne(train, torch.zeros(70, 3), str(tmp_path / "map.png"))
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_images_go_side_by_side_and_a_missing_axis_is_refused(tmp_path):
    from matplotlib.image import imread

    images = torch.tensor([0.0, 255.0]).reshape(2, 1, 1, 1).expand(2, 1, 28, 28)
    save_images(images, str(tmp_path / "row.png"))
    shown = imread(tmp_path / "row.png")[..., 0]
    assert shown.shape == (28, 56)
    assert (shown[:, :28].max(), shown[:, 28:].min()) == (0, 1)
    with pytest.raises(ValueError, match="is expected"):
        save_images(images[:, 0], str(tmp_path / "no.png"))
