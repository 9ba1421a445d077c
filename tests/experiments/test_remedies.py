"""The nets against their equations, gradients against differences, clipping in the loop, a short run."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from coursework.derivations import jacobian_products_evidence as evidence
from coursework.experiments import configure
from coursework.experiments.remedies import DeepCNN, DeepMLP, RowReader, clipped, state_gradients
from coursework.figures.networks import before_and_after
from coursework.runs import run

X, Y = torch.rand(6, 28, 28), torch.arange(6)


def test_residual_layers_add_what_they_read():
    torch.manual_seed(0)
    net = DeepCNN(3, 4, residual=True)
    _, states = net(X)
    before = net.stem(X[:, None])
    torch.testing.assert_close(states[0], before + net.layers[0](before.relu()))
    net.residual = False
    torch.testing.assert_close(net(X)[1][0], net.layers[0](before.relu()))


def test_he_keeps_the_second_moment():
    torch.manual_seed(0)
    _, states = DeepMLP(12, 512, he=True)(X)
    ratio = states[-1].square().mean() / states[0].square().mean()
    assert 0.3 < ratio < 3
    _, states = DeepMLP(12, 512, he=False)(X)
    assert states[-1].std(0).mean() < 1e-2 * states[0].std(0).mean()


def test_recurrence_is_its_equation():
    torch.manual_seed(0)
    net = RowReader(5, 1.0)
    _, states = net(X)
    assert len(states) == 28
    torch.testing.assert_close(states[2], torch.tanh(net.read(X[:, 2]) + states[1] @ net.recur.weight.T))


def test_norms_against_backward():
    torch.manual_seed(0)
    net = RowReader(7, 1.5)
    norms, whole = state_gradients(net, X, Y)
    logits, states = net(X)
    for h in states:
        h.retain_grad()
    cross_entropy(logits, Y).backward()
    assert norms.tolist() == pytest.approx([h.grad.norm().item() for h in states], rel=1e-5)
    assert whole == pytest.approx(math.sqrt(sum(p.grad.square().sum().item() for p in net.parameters())), rel=1e-5)


@pytest.mark.parametrize(("length", "moved"), [(10.0, 1.0), (0.5, 0.5)])
def test_steps_are_clipped(length, moved):
    parameter = torch.zeros(2, requires_grad=True)
    optimizer = clipped(torch.optim.SGD([parameter], lr=1.0), [parameter], 1.0)
    parameter.grad = length * torch.tensor([0.6, 0.8])
    optimizer.step()
    assert parameter.detach().tolist() == pytest.approx([-0.6 * moved, -0.8 * moved], rel=1e-4)


def test_a_short_run(runs_folder):
    found = run(configure("remedies", "fast", num_train=300, num_test=100, epochs=2, depth=12))
    assert evidence.first_over_last(found, "mlp_before") < 1e-3 < 1e-1 < evidence.first_over_last(found, "mlp_after")
    assert evidence.first_over_last(found, "cnn_before") < 1e-3 < 1e-1 < evidence.first_over_last(found, "cnn_after")
    assert found.metrics["cnn_after_loss"] < found.metrics["cnn_before_loss"] - 0.05
    before, after = (found.arrays[f"rnn_{when}_gradients"] for when in ("before", "after"))
    assert (before / after).std() < 1e-3 * (before / after).mean()
    losses = found.arrays["rnn_after_losses"]
    assert len(losses) == 12
    assert torch.isfinite(losses).all()
    curve = evidence.loss_curves([found])["RNN: gradient clipping"]["after"][0]
    assert curve.tolist() == pytest.approx([losses[:10].mean().item()])
    assert list(evidence.remedy_table([found])["remedy"][::2]) == ["none"] * 4
    figure = before_and_after(evidence.gradient_curves([found]), label="norm", x_labels=("layer", "layer", "row"))
    assert figure.axes[2].lines[0].get_ydata().tolist() == before.tolist()


def test_the_control_starts_where_the_recurrent_net_does(runs_folder):
    found = run(configure("remedies", "fast", num_train=50, num_test=50, epochs=1, depth=2))
    for when in ("before", "after"):
        first = [found.arrays[f"{kind}_{when}_losses"][0].item() for kind in ("rnn", "gentle")]
        assert first[0] == first[1]
        assert found.arrays[f"rnn_{when}_gradients"].tolist() == found.arrays[f"gentle_{when}_gradients"].tolist()
