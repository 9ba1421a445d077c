"""The gauges, the warm-up and a short run of the models side by side."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from coursework.data.text import BOS, EOS, PAD
from coursework.derivations import norm_training_evidence as evidence
from coursework.errors import ConfigError
from coursework.experiments import configure
from coursework.experiments.depth_norm import Gauge, build, name_of, sentence_nll, unigram_nll
from coursework.runs import Run, run

TINY = {"num_train": 40, "num_test": 10, "depths": (1, 2), "dim": 8, "hidden": 8, "num_steps": 3, "batch_size": 8}


def test_warm_up_rises_and_stays():
    players = build(configure("depth-norm", "fast", **TINY, rates=(0.001,), warm_ups=(0, 5))).players
    (at_once,), (slowly,) = (players[name_of("pre", 2, 0.001, steps)].schedules for steps in (0, 5))
    assert [at_once(step) for step in (0, 7)] == [1, 1]
    np.testing.assert_allclose([slowly(step) for step in range(9)], [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1])


def test_a_gauge_keeps_norms_in_order():
    gauge = Gauge(3, 2)
    gauge.note(torch.tensor(2.0), [torch.tensor([3.0, 4.0]), torch.zeros(2)])
    gauge.note(torch.tensor(1.0), [torch.ones(4), torch.ones(1)])
    np.testing.assert_allclose(gauge.losses.numpy(), [2, 1, np.nan])
    np.testing.assert_allclose(gauge.gradients[:2].numpy(), [[5, 0], [2, 1]])


def test_filling_costs_nothing():
    words = torch.tensor([[BOS, 5, 6, EOS], [BOS, 7, EOS, PAD]])
    logits = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    found = sentence_nll(lambda shown: logits, words)
    logs = torch.log_softmax(logits, -1)
    expected = [-(logs[0, 0, 5] + logs[0, 1, 6] + logs[0, 2, EOS]), -(logs[1, 0, 7] + logs[1, 1, EOS])]
    torch.testing.assert_close(found, torch.stack(expected))


def test_unigram_model_by_hand():
    train = torch.tensor([[BOS, 5, 5, EOS]])
    held_out = torch.tensor([[BOS, 5, EOS], [BOS, 6, EOS]])
    expected = -(math.log(3 / 6) + 2 * math.log(2 / 6) + math.log(1 / 6)) / 4
    assert unigram_nll(train, held_out) == pytest.approx(expected)


def test_a_short_run_notes_the_first_gradients(runs_folder):
    config = configure("depth-norm", "fast", **TINY)
    found = run(config)
    name = name_of("pre", 2, config.rates[0], config.warm_ups[0])
    task = build(config)
    player, model = task.players[name], task.modules[name]
    loss, _ = player.loss(task.batches(0))
    weights = [model.words.embedding.weight, *(block.feed_forward.outer.weight for block in model.stack.blocks)]
    norms = [g.norm().item() for g in torch.autograd.grad(loss, weights)]
    torch.manual_seed(config.seed)
    np.testing.assert_allclose(found.arrays[f"{name}_losses"][0], loss.item(), rtol=1e-5)
    np.testing.assert_allclose(found.arrays[f"{name}_gradients"][0].numpy(), norms, rtol=1e-4)
    assert not found.arrays[f"{name}_gradients"].isnan().any()
    both = [found.arrays[f"{name_of('pre', 2, config.rates[0], w)}_losses"] for w in config.warm_ups]
    assert both[0][0] == both[1][0]
    assert both[0][-1] != both[1][-1]
    assert len(evidence.gap_table([found], config.rates[0])) == len(config.depths)


@pytest.fixture
def made(tmp_path):
    """A run with given numbers: every model trains but post-LN with eight layers."""
    config = configure("depth-norm", "fast", depths=(1, 8), rates=(1e-3,), warm_ups=(0,))
    metrics, arrays = {"unigram_nll": 4.0}, {}
    ends = {("post", 1): (2.1, 0.1), ("post", 8): (4.0, 1e-6), ("pre", 1): (2.0, 0.1), ("pre", 8): (2.9, 0.1)}
    for (norm, depth), (loss, end) in ends.items():
        name = name_of(norm, depth, 1e-3, 0)
        metrics |= {f"{name}_test_nll": loss, f"{name}_validation_nll": loss}
        arrays[f"{name}_gradients"] = torch.tensor([[1.0, 9.0]] + [[end, 9.0]] * 20)
        arrays[f"{name}_losses"] = torch.linspace(5, loss, 21)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    save_file(arrays, tmp_path / "arrays.safetensors")
    return Run(config, "made", tmp_path)


def test_who_trains_and_how_large_the_gap_is(made):
    assert evidence.trains(made, "post", 0).tolist() == [[True], [False]]
    assert evidence.trains(made, "pre", 0).tolist() == [[True], [True]]
    assert evidence.ratio([made, made], 8, 1e-3, 0, "end") == pytest.approx(1e5, rel=1e-4)
    assert evidence.ratio([made], 8, 1e-3, 0, "start") == 1
    assert evidence.gap_table([made], 1e-3)["pre / post, end"].tolist() == ["1", "1e+05"]
    assert evidence.best_rates([made])["post-LN, no warm-up"].tolist() == ["2.10 (0.001)", "4.00 (0.001)"]


def test_sentences_say_where_and_what(made):
    assert evidence.widest_gap([made]) == (8, 1e-3)
    assert "4.00 nats per word, pre-LN at 2.90" in evidence.stuck_sentence([made])
    assert evidence.count_sentence([made, made]).startswith("Of all depths, rates and seeds there train 2 of 4 (post")
    assert evidence.warm_up_word([made], 0) == "does not prevent"
    assert evidence.after_training([made], 0, arises=True).endswith("Warm-up does not prevent it there.")
    assert "Warm-up" not in evidence.after_training([made], 0, arises=False)
    assert evidence.gap_verdict(arises=True).startswith("So the gap")
    assert evidence.gap_verdict(arises=False).endswith("is not in these runs.")
    losses, learns = evidence.maps(made)
    assert losses["pre-LN, no warm-up"].tolist() == [[2.0], [2.9]]
    assert learns["post-LN, no warm-up"].tolist() == [[True], [False]]


def test_curves_are_running_means(made):
    drawn = evidence.curves(made, 1e-3, "losses", block=3)["8 layers"]["post-LN, no warm-up"]
    losses = made.arrays[f"{name_of('post', 8, 1e-3, 0)}_losses"].double().numpy()
    assert drawn[0] == pytest.approx(losses[0])
    assert drawn[-1] == pytest.approx(losses[-3:].mean())


@pytest.mark.parametrize(
    ("name", "value"), [("rates", (0.0,)), ("depths", ()), ("depths", (0,)), ("warm_ups", (-1,)), ("num_steps", 0)]
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ConfigError, match=f"parameter {name} ="):
        configure("depth-norm", **{name: value})
