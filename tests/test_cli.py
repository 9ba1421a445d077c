"""The command line: codes, sentences, and nothing started on bad input."""

import os
import subprocess
import sys

import pytest

from coursework.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "did you mean 'run'"),
        (["run"], "needs an experiment"),
        (["run", "add"], "did you mean 'ad'"),
        (["run", "ad", "--profile", "fats"], "did you mean 'fast'"),
        (["run", "ad", "--latent-dim", "007"], "leading zeros"),
        (["run", "ad", "--latent-dim=1_000"], "leading zeros"),
        (["run", "ad", "--latent-dim", "0"], "latent_dim = 0"),
        (["run", "ad", "--latent-dim", "-3"], "latent_dim = -3"),
        (["run", "ad", "--latent-dim", "1000000000"], "latent_dim = 1000000000"),
        (["run", "ad", "--rate", "nan"], "rate = nan"),
        (["run", "ad", "--rate", "inf"], "rate = inf"),
        (["run", "vad-normal", "--beta", "-0.5"], "beta = -0.5"),
        (["derive", "kl-norml"], "did you mean"),
        (["report", "--profile", "gpu"], "unknown profile 'gpu'"),
        (["report", "-p", "latent_dim", "007"], "latent_dim = '007'"),
        (["report", "-p", "seed", "1", "-p", "seed", "2"], "twice"),
    ],
)
def test_a_bad_value_is_a_sentence_and_code_two(arguments, said, capsys, runs_folder):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert not runs_folder.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "ad", "--latent-dmi", "3"],
        ["run", "ad", "--latent-dim", "ten"],
        ["run", "ad", "--latent-dim", "true"],
        ["run", "ad", "--holdout", "testt"],
        ["report", "--profle", "cpu"],
    ],
)
def test_the_parsers_own_refusals_have_code_two_as_well(arguments, capsys, runs_folder):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert not runs_folder.exists()


def test_a_gpu_that_is_absent_is_said_before_anything_starts(capsys, runs_folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["run", "ad", "--profile", "fast", "--device", "cuda"]) == 10
    assert "no GPU is visible" in capsys.readouterr().err
    assert not runs_folder.exists()


def test_a_run_prints_its_folder_and_numbers(capsys, runs_folder):
    small = ["--dataset", "digits", "--num-train", "20", "--num-test", "5", "--latent-dim", "2", "--epochs", "1"]
    assert main(["run", "ad", "--profile", "fast", *small]) == 0
    out = capsys.readouterr().out
    assert str(runs_folder) in out
    assert "test_score" in out


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    assert "exit codes" in capsys.readouterr().out
    assert main([]) == 2
    assert main(["--version"]) == 0


def test_a_plain_c_locale_and_a_strange_folder_do_no_harm(tmp_path):
    folder = tmp_path / "sp ace é"
    folder.mkdir()
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "COURSEWORK_RUNS": str(folder / "runs")}
    small = ["--dataset", "digits", "--num-train", "20", "--num-test", "5", "--latent-dim", "2", "--epochs", "1"]
    command = [sys.executable, "-m", "coursework.cli", "run", "ad", "--profile", "fast", *small]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    done = subprocess.run([*command, "--epochs", "é"], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
