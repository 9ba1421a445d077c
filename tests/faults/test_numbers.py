"""Row 13: numbers that stop being finite where no loss shows it. More in tests/training and tests/metrics."""

import pytest
import torch

from coursework import cli, runs
from coursework.errors import NonFiniteError

pytestmark = pytest.mark.usefixtures("linear")


class _Spoil(torch.autograd.Function):
    """The identity, with a gradient that is not a number."""

    @staticmethod
    def forward(_context, value):
        return value.clone()

    @staticmethod
    def backward(_context, gradient):
        return gradient * torch.nan


def spoiled(monkeypatch, at):
    """The gradient, not the loss, breaks at one step."""
    build, now = runs._build, [0]

    def changed(config):
        task = build(config)
        batches = task.batches

        def noted(step):
            now[0] = step
            return batches(step)

        for player in task.players.values():
            loss = player.loss

            def broken(batch, loss=loss):
                value, terms = loss(batch)
                return (_Spoil.apply(value) if now[0] == at else value), terms

            player.loss = broken
        object.__setattr__(task, "batches", noted)
        return task

    monkeypatch.setattr(runs, "_build", changed)


@pytest.mark.parametrize("at", [199, 149])
def test_a_gradient_that_breaks_is_caught_before_it_is_saved(at, runs_folder, small, monkeypatch):
    """Step 199 is the last: nothing but the weights shows it. After step 149 the next loss does, were it not saved."""
    sound = runs._build
    spoiled(monkeypatch, at)
    with pytest.raises(NonFiniteError, match=f"not finite after step {at + 1}.*Lower the rate"):
        runs.run(small.tiny(), checkpoint_seconds=0.0)
    (path,) = runs_folder.iterdir()
    assert not (path / "manifest.json").exists()
    assert sorted(each.name for each in (path / "checkpoints").iterdir()) == [
        f"step-{step:09d}" for step in (at - 99, at - 49)
    ]
    monkeypatch.setattr(runs, "_build", sound)
    assert runs.run(small.tiny()).metrics  # goes on from the sound checkpoint


def test_the_command_line_leaves_with_code_four(runs_folder, small, monkeypatch, capsys):
    spoiled(monkeypatch, 10)
    assert cli.main(small.command()) == 4
    assert "not finite" in capsys.readouterr().err
