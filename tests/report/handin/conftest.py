"""Small data in the course's format, and both programs run on them, once."""

import contextlib

import pytest
import torch
from torch.nn.functional import interpolate

from coursework.data import load
from coursework.report.handin import (
    auto_decoder,
    course_evaluate,
    course_utils,
    training,
    variational_auto_decoder,
)
from coursework.report.handin.rehearsal import write_csv
from coursework.report.handin.watch import HandIn, watching

SMALL = ["--latent-dim", "32", "--channels", "8", "--copies", "1", "--epochs", "3", "--test-epochs", "5"]


def pictures(split, count):
    """Images of 28 × 28 pixels and labels: scikit-learn's digits, enlarged."""
    rows = load("digits", split, n=count)
    large = interpolate(rows.images[:, None].float(), size=(28, 28), mode="bilinear", align_corners=False)[:, 0]
    return large.round().to(torch.uint8), rows.labels


@pytest.fixture(scope="session")
def images():
    """Thirty training images of 28 × 28 pixels, 0 to 255."""
    return pictures("train", 30)[0]


@pytest.fixture(scope="session")
def csv(tmp_path_factory):
    """A folder with digits of 28 × 28 pixels as the course's two CSV files."""
    folder = tmp_path_factory.mktemp("course")
    for split, count in (("train", 80), ("test", 70)):
        write_csv(folder / f"fashion-mnist_{split}.csv", *(part.numpy() for part in pictures(split, count)))
    return folder


@pytest.fixture(scope="session")
def small():
    """Arguments under which a program runs in a second or two."""
    return SMALL


@pytest.fixture(scope="session")
def finished(csv, tmp_path_factory):
    """Both programs after their run, in this process; no map is drawn, only asked for."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("figures")
    arguments = ["--data", str(csv), "--out", str(out), *SMALL]
    users = [auto_decoder, variational_auto_decoder, training]
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(course_utils, "plot_tsne", lambda *arguments: None)
        watched = stack.enter_context(watching(course_utils, course_evaluate, users))
        outcome = auto_decoder.main(arguments)
        outcomes = variational_auto_decoder.main([*arguments, "--families", "normal", "uniform"])
    return HandIn.of(auto_decoder, variational_auto_decoder, course_utils, course_evaluate, outcome, outcomes, watched)
