"""The closed form against autograd on a layer that is built here, over many instances."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from coursework.derivations import broadcast_evidence as evidence
from coursework.derivations.broadcast_loss import (
    autograd_gradients,
    broadcast_gradients,
    broadcast_loss,
    difference_gradients,
    make_layer,
)
from coursework.figures.gradients import gradient_and_loss


def instance(seed, batch):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randint(3, 33, (2,), generator=generator).tolist()

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weight, bias, x = draw(rows, columns), draw(1)[0], draw(batch, 1, rows, columns)
    targets = {
        "shared": draw(rows, columns),
        "paired": draw(batch, 1, rows, columns),
        "crossed": draw(batch, rows, columns),
    }
    return weight, bias, x, targets


def by_backward(weight, bias, x, y):
    layer = nn.Conv2d(1, 1, tuple(weight.shape)).double()
    with torch.no_grad():
        layer.weight[0, 0] = weight
        layer.bias[0] = bias
    ((layer(x) - y) ** 2).sum().backward()
    return layer.weight.grad[0, 0], layer.bias.grad[0]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("seed", range(50))
def test_closed_form_against_backward(seed, batch):
    weight, bias, x, targets = instance(seed, batch)
    for y in targets.values():
        for ours, theirs in zip(broadcast_gradients(weight, bias, x, y), by_backward(weight, bias, x, y), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_one_image_without_a_batch_axis():
    weight, bias, x, targets = instance(0, 1)
    y = targets["shared"]
    for ours, theirs in zip(
        broadcast_gradients(weight, bias, x[0], y), by_backward(weight, bias, x[0], y), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_the_loss_passes_gradcheck():
    weight, bias, x, targets = instance(3, 2)
    parameters = (weight[:3, :3].clone().requires_grad_(), bias.clone().requires_grad_())

    def loss(weight, bias):
        return broadcast_loss(nn.functional.conv2d(x[..., :3, :3], weight[None, None], bias[None]), targets["crossed"])

    assert torch.autograd.gradcheck(loss, parameters)


@pytest.mark.parametrize("kind", ["shared", "paired", "crossed"])
def test_the_two_other_routes(kind):
    weight, bias, x, targets = instance(7, 3)
    expected = by_backward(weight, bias, x, targets[kind])
    for route in (autograd_gradients, difference_gradients):
        for ours, theirs in zip(route(weight, bias, x, targets[kind]), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-8)


def test_broadcasting_does_what_the_page_says():
    """By loops over examples, targets and pixels, without any broadcasting."""
    weight, bias, x, targets = instance(11, 3)
    outputs = [float((weight * image[0]).sum() + bias) for image in x]
    s = make_layer(weight, bias)(x).detach()
    assert (s - targets["shared"]).shape == (3, 1, *weight.shape)
    assert (s - targets["crossed"]).shape == (3, 3, *weight.shape)
    pairs = {
        "shared": [(c, targets["shared"]) for c in range(3)],
        "paired": [(c, targets["paired"][c, 0]) for c in range(3)],
        "crossed": [(c, target) for c in range(3) for target in targets["crossed"]],
    }
    for kind, compared in pairs.items():
        by_hand = sum((outputs[c] - float(value)) ** 2 for c, target in compared for value in target.flatten())
        assert float(broadcast_loss(s, targets[kind])) == pytest.approx(by_hand, rel=1e-12)


def test_crossed_targets_hide_from_the_bias():
    weight, bias, x, targets = instance(5, 4)
    crossed = broadcast_gradients(weight, bias, x, targets["crossed"])
    paired = broadcast_gradients(weight, bias, x, targets["crossed"][:, None])
    torch.testing.assert_close(crossed[1], 4 * paired[1])
    assert not torch.allclose(crossed[0], 4 * paired[0], rtol=0.05)


def test_shapes_that_do_not_broadcast_are_refused():
    weight, bias, x, _ = instance(1, 2)
    y = torch.zeros(3, 1, *weight.shape, dtype=torch.float64)
    for route in (broadcast_gradients, autograd_gradients):
        with pytest.raises(RuntimeError):
            route(weight, bias, x, y)


def test_the_layer_is_the_one_of_the_question():
    case = evidence.example()
    layer = make_layer(case.weight, case.bias)
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (1, 1, (32, 32))
    output = layer(case.x).detach()
    assert output.shape == (1, 1, 1)
    assert float(output) == float(case.output) == float((case.weight * case.x).sum() + case.bias)


@pytest.mark.parametrize("seed", range(3))
def test_the_example_is_exact_in_double_precision(seed):
    """Rational arithmetic on the same numbers: no rounding happened, so any machine gets the same bits."""
    case = evidence.example(seed)
    exact = [[Fraction(value) for value in tensor.flatten().tolist()] for tensor in (case.weight, case.x, case.y)]
    s = sum(w * x for w, x in zip(*exact[:2], strict=True)) + Fraction(case.bias.item())
    slope = 2 * (len(exact[2]) * s - sum(exact[2]))
    by_weight, by_bias = autograd_gradients(case.weight, case.bias, case.x, case.y)
    assert Fraction(by_bias.item()) == slope
    assert [Fraction(value) for value in by_weight.flatten().tolist()] == [slope * x for x in exact[1]]
    assert torch.equal(difference_gradients(case.weight, case.bias, case.x, case.y)[0], by_weight)


def test_tables():
    case = evidence.example()
    routes = evidence.route_table(case)
    assert set(routes["difference"]) == {"0"}
    assert routes["∂L/∂b"].nunique() == 1
    targets = evidence.target_table(case)
    assert list(targets["squares"]) == ["4,096", "4,096", "16,384"]
    pulled = [[float(value) for value in cell.split(", ")] for cell in targets["pulled towards"]]
    means = case.ys.mean((1, 2)).tolist()
    expected = [[means[0]] * 4, means, [sum(means) / 4] * 4]
    assert all(one == pytest.approx(other, abs=6e-4) for one, other in zip(pulled, expected, strict=True))
    changes = evidence.change_table(case).set_index("change")["∂L/∂w divided by x"]
    asked, no_bias, mean = (float(changes[name]) for name in ("as asked", "no bias", "mean of the squares"))
    assert asked == pytest.approx(float(routes["∂L/∂b"][0]))
    assert asked - no_bias == pytest.approx(2 * 1024 * case.bias.item())
    assert asked / mean == pytest.approx(1024, rel=1e-3)
    assert changes["against the target's mean"] == changes["mean of the squares"]
    assert changes["kernel one pixel smaller"].startswith("torch refuses")


def test_random_instances_agree_and_a_wrong_formula_would_not(monkeypatch):
    assert evidence.largest_discrepancy(6) < evidence.TOLERANCE
    monkeypatch.setattr(evidence, "broadcast_gradients", lambda w, b, x, y: broadcast_gradients(w, 0 * b, x, y))
    assert evidence.largest_discrepancy(6) > 1e-3


def test_the_curve_is_lowest_at_the_mean():
    case = evidence.example()
    outputs, losses = evidence.loss_curve(case)
    assert float(outputs[losses.argmin()]) == pytest.approx(case.y.mean().item(), abs=1e-9)
    assert outputs[0] < case.output < outputs[-1]


def test_the_figure_shows_what_it_is_given():
    case = evidence.example()
    outputs, losses = evidence.loss_curve(case)
    gradient = broadcast_gradients(case.weight, case.bias, case.x, case.y)[0]
    figure = gradient_and_loss(
        case.x[0], case.y, gradient, outputs, losses, here=case.output.item(), best=case.y.mean().item()
    )
    pictures = [axis.images[0] for axis in figure.axes if axis.images]
    assert torch.equal(torch.from_numpy(pictures[2].get_array().data), gradient)
    low, high = pictures[2].get_clim()
    assert low == -high  # zero is white
    curve = next(axis for axis in figure.axes if axis.get_xlabel() == "output s")
    layer = next(line for line in curve.lines if line.get_label() == "layer")
    loss = float(broadcast_loss(case.output, case.y))
    assert layer.get_xydata()[0].tolist() == pytest.approx([case.output.item(), loss], rel=1e-3)
