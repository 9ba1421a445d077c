"""Translation: a run that learns a handful of pairs by heart, and scores that mean what they say."""

import pytest
import torch

from coursework.data.text import load_pairs
from coursework.experiments import configure
from coursework.experiments.translation import build, is_reordered
from coursework.runs import run
from coursework.training.loop import fit


def test_crossing_links_are_found():
    assert is_reordered(frozenset({(0, 0), (1, 2), (2, 1)}))
    assert not is_reordered(frozenset({(0, 0), (1, 0), (1, 1), (2, 1)}))


def test_a_few_pairs_are_learnt_by_heart():
    task = build(configure("translation", "fast", num_train=12, num_test=2, epochs=150, batch_size=12, device="cpu"))
    first = task.players["translator"].loss(torch.arange(12))[0].item()
    fit(task.players, task.batches, task.num_steps)
    last = task.players["translator"].loss(torch.arange(12))[0].item()
    assert first > 20
    assert last < 1


def test_a_run_keeps_maps_and_scores(runs_folder):
    config = configure("translation", "fast", num_train=40, num_test=10, epochs=1)
    found = run(config)
    pairs = load_pairs("pairs-generated", "test", n=10).pairs
    maps = found.arrays["maps"]
    assert maps.shape == (10, max(len(p.target) for p in pairs) + 1, max(len(p.source) for p in pairs) + 1)
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:2]))
    for index, pair in enumerate(pairs):
        assert (maps[index, :, len(pair.source) + 1 :] == 0).all()
    assert found.metrics["reordered"] == sum(is_reordered(pair.sure) for pair in pairs) / 10
    assert 0 < found.metrics["diagonal_error"] < 1
    assert found.metrics["nll_per_word"] > 1


def test_gradients_are_clipped():
    clip = 1e-3
    task = build(configure("translation", "fast", num_train=20, num_test=2, clip=clip, device="cpu"))
    loss = task.players["translator"].loss(torch.arange(20))[0]
    loss.backward()
    task.players["translator"].optimizers[0].step()
    norms = [parameter.grad.norm() for parameter in task.modules["translator"].parameters()]
    assert float(torch.stack(norms).norm()) == pytest.approx(clip, rel=1e-3)
