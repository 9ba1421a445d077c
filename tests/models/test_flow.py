"""Flows on images: identities that any flow obeys, torch's own distribution, and named errors."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Uniform

from coursework.distributions.coupling import ActNorm, AffineCoupling
from coursework.distributions.pixels import PixelLogit, PixelQuantile
from coursework.distributions.reshaping import Flatten
from coursework.models.dequantisation import UniformDequantiser, VariationalDequantiser
from coursework.models.flow import Flow
from coursework.models.image_flows import checkerboard, conv_flow, dense_flow, level_flow
from coursework.nets.mlp import MLP
from coursework.objectives.bits import bits_per_dim, flow_loss, tightened_bits


def images(count=6, side=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, side, side), generator=generator, dtype=torch.uint8)


def shaken(flow, spread=0.1):
    generator = torch.Generator().manual_seed(1)
    for parameter in flow.parameters():
        parameter.data = parameter.data + spread * torch.randn(parameter.shape, generator=generator)
    return flow


def dense(pixels=None):
    generator = torch.Generator().manual_seed(2)
    return dense_flow((8, 8), pixels or PixelLogit(0.05), num_couplings=4, widths=(16,), generator=generator)


def conv():
    return conv_flow((8, 8), PixelLogit(0.05), num_couplings=(4, 2), channels=(4, 6), blocks=1)


def levels():
    return level_flow(images(50), channels=(4, 6), blocks=1, widths=(16,), num_laws=4)


FLOWS = {
    "dense": dense,
    "conv": conv,
    "levels": levels,
    "dense on quantiles": lambda: dense(PixelQuantile(images(50), 0.05)),
}


def identity():
    base = Independent(Uniform(torch.zeros(64), 256 * torch.ones(64)), 1)
    return Flow((8, 8), [Flatten((8, 8))], base)


def test_the_identity_with_a_uniform_base_has_exactly_eight_bits():
    x, log_q = UniformDequantiser()(images())
    bits = bits_per_dim(identity().log_prob(x) - log_q, 64)
    assert bits.tolist() == pytest.approx([8.0] * len(x), abs=1e-6)


def test_the_same_law_on_zero_to_one_has_the_same_bits():
    base = Independent(Uniform(torch.zeros(64), torch.ones(64)), 1)
    x, _ = UniformDequantiser()(images())
    log_density = Flow((8, 8), [Flatten((8, 8))], base).log_prob(x / 256)
    assert bits_per_dim(log_density, 64, levels_per_unit=256.0).tolist() == pytest.approx([8.0] * len(x), abs=1e-6)


@pytest.mark.parametrize("name", FLOWS)
def test_there_and_back(name):
    torch.manual_seed(3)
    flow = shaken(FLOWS[name]()).double()
    x, _ = UniformDequantiser()(images())
    z, _ = flow.normalise(x.double())
    assert z.shape == (6, 64)
    torch.testing.assert_close(flow.generate(z), x.double(), rtol=0, atol=1e-5)
    single, _ = flow.float().normalise(x)
    assert ((flow.generate(single) - x) / 256).abs().max() < 1e-5


@pytest.mark.parametrize("name", FLOWS)
def test_log_prob_is_that_of_torchs_transformed_distribution(name):
    torch.manual_seed(4)
    flow = shaken(FLOWS[name]()).double()
    x = UniformDequantiser()(images())[0].double()
    law = flow()
    assert law.event_shape == (8, 8)
    torch.testing.assert_close(flow.log_prob(x), law.log_prob(x), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", ["dense", "conv", "levels"])
def test_log_determinant_is_that_of_autograds_jacobian(name):
    torch.manual_seed(5)
    flow = shaken(FLOWS[name]()).double()
    x = UniformDequantiser()(images(2))[0].double()
    _, found = flow.normalise(x)
    for example, value in zip(x, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow.normalise(one[None])[0][0], example)
        expected = torch.linalg.slogdet(jacobian.reshape(64, 64)).logabsdet
        assert value.item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_flow_in_two_dimensions_integrates_to_one():
    torch.manual_seed(6)
    halves = torch.tensor([[True, False], [False, True]])
    couplings = [AffineCoupling(MLP([1, 16, 2], nn.Tanh), half) for half in halves]
    flow = shaken(Flow((2,), [ActNorm((2,)), *couplings]), 0.3).double()
    ticks = torch.linspace(-15, 15, 1501, dtype=torch.float64)
    grid = torch.cartesian_prod(ticks, ticks)
    with torch.no_grad():
        total = flow.log_prob(grid).exp().sum() * (ticks[1] - ticks[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_a_linear_flow_is_a_gaussian():
    flow = Flow((3,), [ActNorm((3,))]).double()
    flow.transforms[0].loc.data = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    flow.transforms[0].log_scale.data = torch.tensor([0.3, -1.0, 0.0], dtype=torch.float64)
    gaussian = MultivariateNormal(
        flow.transforms[0].loc.data, covariance_matrix=torch.diag((2 * flow.transforms[0].log_scale.data).exp())
    )
    x = torch.randn(10, 3, dtype=torch.float64)
    torch.testing.assert_close(flow.log_prob(x), gaussian.log_prob(x))


def test_a_flow_starts_normalised_and_trains():
    torch.manual_seed(7)
    grey = (torch.rand(200, 8, 8) ** 4 * 256).byte()
    flow, noise = dense(), UniformDequantiser()
    flow.start_from(noise(grey)[0])
    z, _ = flow.normalise(noise(grey)[0])
    assert z.mean().abs() < 0.1
    assert z.std().item() == pytest.approx(1, abs=0.1)
    optimizer = torch.optim.Adam(flow.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss, terms = flow_loss(flow, noise, grey)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert terms["bits"].shape == (200,)
    assert losses[-1] < losses[0] - 0.05
    assert all(parameter.grad is not None for parameter in flow.parameters())


def variational():
    net = MLP([64, 8, 128], nn.Tanh)
    return VariationalDequantiser(net, flat=True)


def test_the_learned_noise_has_the_density_it_says():
    torch.manual_seed(8)
    grey = images(1).expand(20_000, 8, 8)
    x, log_q = variational()(grey)
    noise = x - grey
    assert noise.min() >= 0
    assert noise.max() < 1
    # The mean of 1/q over draws of q is the volume of the noise's range, here of one pixel at a time.
    net = nn.Linear(1, 2)
    single = VariationalDequantiser(net, flat=True)
    x, log_q = single(torch.zeros(200_000, 1, 1, dtype=torch.uint8))
    inside = (x.flatten() > 0.05) & (x.flatten() < 0.95)
    assert ((-log_q).exp() * inside).mean().item() == pytest.approx(0.9, abs=0.02)


def test_more_draws_tighten_the_bound_and_uniform_noise_on_a_flat_law_needs_one():
    torch.manual_seed(9)
    flow, grey = shaken(dense()), images(20)
    bound, tight = tightened_bits(flow, UniformDequantiser(), grey, 16, torch.Generator().manual_seed(0))
    assert bool((tight <= bound + 1e-9).all())
    assert (bound - tight).mean() > 1e-3
    bound, tight = tightened_bits(identity(), UniformDequantiser(), grey, 4)
    torch.testing.assert_close(bound, tight)


def test_the_checkerboard_never_keeps_two_neighbours():
    board = checkerboard((4, 6)).view(4, 6)
    assert bool((board[:, 1:] != board[:, :-1]).all())
    assert bool((board[1:] != board[:-1]).all())


def test_temperature_scales_the_latents():
    torch.manual_seed(10)
    flow = Flow((2, 2), [Flatten((2, 2)), ActNorm((4,))])
    flow.transforms[1].loc.data.fill_(100)
    flow.transforms[1].log_scale.data.fill_(math.log(20))
    cold = flow.sample(2000, temperature=0.5, generator=torch.Generator().manual_seed(0))
    assert cold.std().item() == pytest.approx(10, rel=0.05)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(9, 8\) in a flow for \(8, 8\)"):
        dense().log_prob(torch.zeros(2, 9, 8))
    with pytest.raises(ValueError, match="give 64 coordinates"):
        dense().generate(torch.zeros(2, 63))


def test_sides_that_do_not_halve_twice_are_refused():
    with pytest.raises(ValueError, match="divisible by four"):
        conv_flow((6, 8), PixelLogit(0.05), num_couplings=(1, 1), channels=(2, 2), blocks=0)


@pytest.mark.parametrize("make", [UniformDequantiser, variational])
@pytest.mark.parametrize("wrong", [torch.rand(2, 8, 8), torch.full((2, 8, 8), 256.0), torch.full((2, 8, 8), -1.0)])
def test_images_out_of_range_are_refused(make, wrong):
    with pytest.raises(ValueError, match="whole grey levels"):
        make()(wrong)


def test_no_draw_is_refused():
    with pytest.raises(ValueError, match="num_draws = 0"):
        tightened_bits(identity(), UniformDequantiser(), images(), 0)
