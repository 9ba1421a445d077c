"""Several starts and a polish, on decoders whose optimum is known."""

import pytest
import torch
from torch import nn

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.errors import NonFiniteError
from coursework.inference import infer_latents, settle
from coursework.nets.decoders import SkipDecoder
from coursework.restarts import best_of, image_losses, points, polish


@pytest.fixture
def linear():
    """A linear decoder whose columns differ in size by a factor of 30, images beside its span, and the best latents."""
    net = SkipDecoder(4, None, (4, 4), leak=1.0)
    with torch.no_grad():
        net.linear.weight.mul_(torch.tensor([0.1, 0.3, 1.0, 3.0]))
        x = torch.rand(12, 4, 4)
        exact = torch.linalg.lstsq(net.linear.weight, (x.flatten(1) - net.linear.bias).T).solution.T
    return GaussianDecoder(net, 0.2), x, exact


def table_of(raw, family="delta"):
    table = LatentTable(len(raw), raw.shape[-1], FAMILIES[family])
    table.load_state_dict({"raw": raw})
    return table


def test_polish_reaches_least_squares_where_adam_does_not(linear):
    decoder, x, exact = linear
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    blunt = infer_latents(decoder, x, FAMILIES["delta"], 4, beta=0.0, num_steps=30, lr=0.2)
    sharp = polish(decoder, x, blunt)
    assert (blunt.locations() - exact).abs().max() > 0.5
    torch.testing.assert_close(sharp.locations(), exact, atol=5e-3, rtol=5e-3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in decoder.state_dict().items())


def test_polish_with_a_penalty_reaches_ridge_regression(linear):
    decoder, x, _ = linear
    weight, bias = decoder.net.linear.weight, decoder.net.linear.bias
    with torch.no_grad():
        precision = weight.T @ weight / 0.2**2 + 3 * torch.eye(4)
        ridge = torch.linalg.solve(precision, weight.T @ (x.flatten(1) - bias).T / 0.2**2).T
    found = polish(decoder, x, table_of(torch.zeros(12, 1, 4)), beta=3.0)
    torch.testing.assert_close(found.locations(), ridge, atol=2e-3, rtol=2e-3)


def test_polish_leaves_no_image_worse_and_its_input_alone(linear):
    decoder, x, exact = linear
    start = table_of(torch.cat([exact[:6], torch.randn(6, 4)])[:, None])
    raw = start.raw.detach().clone()
    polished = polish(decoder, x, start, num_steps=2)
    before, after = (image_losses(table, decoder, x, beta=0.0) for table in (start, polished))
    assert (after <= before).all()
    assert (after[6:] < before[6:]).any()
    assert torch.equal(start.raw, raw)


def test_polish_refuses_draws_and_names_a_bad_start(linear):
    decoder, x, _ = linear
    with pytest.raises(ValueError, match=r"family normal.*points"):
        polish(decoder, x, table_of(torch.zeros(12, 2, 4), "normal"))
    with pytest.raises(NonFiniteError, match="start is not finite"):
        polish(decoder, x, table_of(torch.full((12, 1, 4), torch.inf)))


def test_the_best_start_is_taken_image_by_image():
    """A two-sided valley: which side a start falls into decides the loss, and no single start is best everywhere."""

    class Valley(nn.Module):
        def forward(self, z):
            return torch.where(z < 0, 0.2 + 0.01 * (z + 1) ** 2, 0.8 - 0.01 * (z - 1) ** 2)

    decoder, x = GaussianDecoder(Valley(), 0.1), torch.tensor([[0.2], [0.8], [0.2]])
    tables = [
        infer_latents(
            decoder, x, FAMILIES["delta"], 1, beta=0.0, num_steps=100, lr=0.05, start=table_of(torch.full((3, 1, 1), s))
        )
        for s in (-1.5, 1.5)
    ]
    found = best_of(tables, decoder, x, beta=0.0)
    assert found.losses.argmin(0).tolist() == [0, 1, 0]
    assert (found.table.locations()[:, 0].sign() == torch.tensor([-1.0, 1.0, -1.0])).all()
    torch.testing.assert_close(image_losses(found.table, decoder, x, beta=0.0), found.losses.min(0).values)
    assert (found.spread > 1).all()
    with pytest.raises(ValueError, match="at least one"):
        best_of([], decoder, x, beta=0.0)


def test_points_stand_where_the_posteriors_are():
    table = table_of(torch.randn(5, 2, 3), "gumbel")
    assert torch.equal(points(table).locations(), table.locations())
    assert points(table).family.name == "delta"


def test_settling_finds_the_linear_optimum(linear):
    decoder, x, exact = linear
    start = LatentTable(len(x), 4, FAMILIES["delta"])
    table = settle(decoder, x, start, beta=0.0, num_steps=600, lr=0.5)
    torch.testing.assert_close(table.locations(), exact, atol=0.02, rtol=0.02)
    assert settle(decoder, x, start, beta=0.0, num_steps=0) is start
    with pytest.raises(TypeError, match="Linear"):
        settle(GaussianDecoder(nn.Linear(4, 16), 1.0), x, start, beta=0.0, num_steps=1)
