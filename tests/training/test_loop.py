"""The loop: what it does each step, what it says when a loss breaks, and that batches are a function of the step."""

import math

import pytest
import torch
from torch import nn

from coursework.errors import NonFiniteError
from coursework.training.loop import Player, fit, index_batches
from coursework.training.schedules import half_cosine


def quadratic(module, goal):
    return lambda batch: (
        (module.weight - goal).square().sum(),
        {"distance": (module.weight - goal).abs().flatten()},
    )


def test_one_player_is_plain_gradient_descent():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 5.0)
    player = Player(quadratic(net, 1.0), [torch.optim.SGD(net.parameters(), lr=0.1)])
    fit({"net": player}, lambda step: None, 7)
    assert net.weight.item() == pytest.approx(1 + 4 * 0.8**7, rel=1e-5)


def test_schedule_scales_every_rate_from_its_base():
    net = nn.Linear(1, 1)
    optimizers = [torch.optim.SGD([net.weight], lr=0.5), torch.optim.SGD([net.bias], lr=0.02)]
    player = Player(
        lambda batch: (net.weight.sum() + net.bias.sum(), {}), optimizers, schedules=[lambda s: 1 / (1 + s)] * 2
    )
    fit({"net": player}, lambda step: None, 4)
    assert [o.param_groups[0]["lr"] for o in optimizers] == pytest.approx([0.5 / 4, 0.02 / 4])


def test_two_players_each_at_its_own_pace():
    calls = []
    nets = {name: nn.Linear(1, 1) for name in ("critic", "generator")}

    def player(name, every):
        def loss(batch):
            calls.append((name, batch))
            return nets[name].weight.sum(), {}

        return Player(loss, [torch.optim.SGD(nets[name].parameters(), lr=0.1)], every=every)

    projected, announced = [], []
    players = {"critic": player("critic", 1), "generator": player("generator", 3)}
    players["critic"].after_step = lambda: projected.append(1)
    players["generator"].before_step = announced.append
    fit(players, lambda step: step, 7)
    assert [batch for name, batch in calls if name == "generator"] == [0, 3, 6]
    assert [batch for name, batch in calls if name == "critic"] == list(range(7))
    assert len(projected) == 7
    assert announced == [0, 3, 6]


def test_records_are_means_since_the_last_one():
    values = iter(range(10))
    weight = nn.Parameter(torch.zeros(1))
    player = Player(
        lambda batch: (weight.sum() + next(values), {"term": torch.tensor([1.0, 3.0])}),
        [torch.optim.SGD([weight], lr=0.0)],
    )
    records = []
    fit({"p": player}, lambda step: None, 10, log_every=4, on_log=lambda step, record: records.append(record))
    assert [record["step"] for record in records] == [4, 8, 10]
    assert [record["p/loss"] for record in records] == pytest.approx([1.5, 5.5, 8.5])
    assert all(record["p/term"] == 2.0 for record in records)


def test_a_loss_that_breaks_stops_at_its_step_with_rate_and_tensor():
    net = nn.Linear(1, 1, bias=False)

    def loss(batch):
        if batch == 3:
            with torch.no_grad():
                net.weight.fill_(math.nan)
        return net.weight.sum(), {}

    player = Player(loss, [torch.optim.SGD(net.parameters(), lr=0.25)])
    begun = []
    with pytest.raises(NonFiniteError, match=r"'net' is nan at step 3, at rate 0\.25.*decoder\.weight"):
        fit({"net": player}, lambda step: begun.append(step) or step, 10, modules={"decoder": net})
    assert begun == [0, 1, 2, 3]


def test_a_diverging_rate_is_caught():
    net = nn.Linear(1, 1, bias=False)
    player = Player(quadratic(net, 1.0), [torch.optim.SGD(net.parameters(), lr=1e6)])
    with pytest.raises(NonFiniteError, match="rate 1e"):
        fit({"net": player}, lambda step: None, 1000, modules={"net": net})


def test_batches_cover_every_row_once_an_epoch_and_depend_on_the_step_alone():
    batches = index_batches(10, 4, seed=3)
    epochs = [torch.cat([batches(step) for step in range(3 * e, 3 * e + 3)]) for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(10))
    assert not torch.equal(epochs[0], epochs[1])
    again = index_batches(10, 4, seed=3)
    assert torch.equal(again(7), batches(7))
    assert not torch.equal(index_batches(10, 4, seed=4)(0), batches(0))


@pytest.mark.parametrize(("rows", "size"), [(0, 4), (4, 0)])
def test_no_rows_or_no_batch_is_refused(rows, size):
    with pytest.raises(ValueError, match="at least 1"):
        index_batches(rows, size, seed=0)


def test_half_cosine_ends_near_zero_and_falls():
    values = [half_cosine(step, 50) for step in range(50)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.002
