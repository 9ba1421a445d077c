"""One exit code per class of failure, each as the help and README say it."""

import re
from pathlib import Path

import pytest

from coursework import cli, errors
from coursework.metrics.latent_space import LatentError

CLASSES = [
    cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.CourseworkError)
]  # fmt: skip
FAILURES = [cls for cls in CLASSES if cls is not errors.CourseworkError]


README = Path(__file__).resolve().parents[2] / "README.md"


def in_help():
    """Code → words."""
    table = cli._HELP.partition("exit codes: ")[2]
    return {int(code): words.strip() for code, words in re.findall(r"(\d+) ([^·]+)", table)}


def in_readme():
    """Code → words."""
    section = README.read_text(encoding="utf-8").partition("| code | means |")[2].partition("\n\n")[0]
    return {int(code): words for code, words in re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)}


@pytest.fixture(params=[in_help, in_readme])
def documented(request):
    return request.param()


@pytest.mark.parametrize("cls", [*FAILURES, LatentError], ids=lambda cls: cls.__name__)
def test_a_failure_leaves_with_the_code_of_its_class(cls, monkeypatch, capsys):
    def fail(_arguments):
        raise cls("what is wrong and what to do")

    monkeypatch.setattr(cli, "_doctor", fail)
    assert cli.main(["doctor"]) == cls.exit_code
    assert capsys.readouterr().err == "coursework: what is wrong and what to do\n"


def test_every_code_is_listed_and_no_other(documented):
    codes = {cls.exit_code for cls in FAILURES} | {0, 1, cli.OUT_OF_MEMORY, 130, 143}
    assert set(documented) == codes


@pytest.mark.parametrize(
    ("cls", "word"),
    [
        (errors.ConfigError, "parameter"),
        (errors.DataError, "data"),
        (errors.DeviceError, "device"),
        (errors.BusyError, "busy"),
        (errors.NonFiniteError, "finite"),
        (errors.CheckpointError, "checkpoint"),
        (errors.BuildError, "build"),
        (errors.SetupError, "environment"),
    ],
)
def test_each_code_says_what_it_means(cls, word, documented):
    assert word in documented[cls.exit_code]


def test_no_code_is_one_that_shells_and_pythons_use_for_something_else():
    assert all(2 <= cls.exit_code < 64 for cls in FAILURES)


def test_no_two_classes_share_a_code():
    assert len({cls.exit_code for cls in FAILURES}) == len(FAILURES)
