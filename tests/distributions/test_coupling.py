"""Every map of a flow against autograd's Jacobian, its own inverse, and torch's composition of transforms."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import ComposeTransform

from coursework.distributions.coupling import ActNorm, AffineCoupling
from coursework.distributions.level_coupling import LevelCoupling
from coursework.distributions.pixels import PixelLogit, PixelQuantile
from coursework.distributions.reshaping import Flatten, Squeeze, TwoScales
from coursework.distributions.transform_module import pull, push
from coursework.nets.gated import GatedConvNet
from coursework.nets.mlp import MLP


def shaken(module):
    """The module in double precision with weights that are not at their start."""
    generator = torch.Generator().manual_seed(7)
    for parameter in module.parameters():
        parameter.data = 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module.double()


def dense_coupling():
    return AffineCoupling(MLP([3, 8, 6], nn.Tanh), torch.tensor([True, False, True, False, False, True]))


def conv_coupling(channels, shape):
    moved = torch.arange(channels) % 2 == 0
    return AffineCoupling(GatedConvNet(channels // 2, channels, 4, 1, shape), moved, event_dim=3)


def level_coupling():
    seen, moved = (torch.tensor(places) for places in ([True, False, True], [False, True, False]))
    return LevelCoupling(MLP([4, 8, 4], nn.Tanh), seen, moved, GREYS, 4)


def two_scales():
    rest = [Squeeze(), ActNorm((8, 1, 1)), conv_coupling(8, (1, 1))]
    return TwoScales([conv_coupling(4, (2, 2))], 2, rest, (4, 2, 2), (8, 1, 1))


GREYS = torch.randint(0, 256, (40, 2, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

MAPS = {
    "dense coupling": (dense_coupling, lambda: torch.randn(3, 6, dtype=torch.float64)),
    "convolutional coupling": (lambda: conv_coupling(4, (2, 2)), lambda: torch.randn(3, 4, 2, 2).double()),
    "activation normalisation": (lambda: ActNorm((5,)), lambda: torch.randn(3, 5, dtype=torch.float64)),
    "squeeze": (lambda: Squeeze(channel=False), lambda: torch.randn(3, 4, 2, dtype=torch.float64)),
    "flatten": (lambda: Flatten((2, 3)), lambda: torch.randn(3, 2, 3, dtype=torch.float64)),
    "two scales": (two_scales, lambda: torch.randn(3, 4, 2, 2, dtype=torch.float64)),
    "logit": (lambda: PixelLogit(0.05), lambda: 256 * torch.rand(3, 6, dtype=torch.float64)),
    "grey levels": (level_coupling, lambda: 256 * torch.rand(3, 3, dtype=torch.float64)),
    "quantile": (lambda: PixelQuantile(GREYS, 0.1), lambda: 256 * torch.rand(3, 2, 3, dtype=torch.float64)),
}


@pytest.mark.parametrize("name", MAPS)
def test_log_determinant_is_that_of_autograds_jacobian(name):
    make, draw = MAPS[name]
    torch.manual_seed(1)
    transform, x = shaken(make()), draw()
    y = transform(x)
    found = transform.log_abs_det_jacobian(x, y).reshape(len(x), -1).sum(1)
    for example, value in zip(x, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda one: transform(one[None])[0], example)
        sign, expected = torch.linalg.slogdet(jacobian.reshape(example.numel(), example.numel()))
        assert sign.abs() == 1
        assert value.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_there_and_back(name):
    make, draw = MAPS[name]
    torch.manual_seed(2)
    transform, x = shaken(make()), draw()
    torch.testing.assert_close(transform.inv(transform(x)), x, rtol=0, atol=1e-5)


def test_a_sequence_is_torchs_composition():
    torch.manual_seed(3)
    maps = [shaken(Squeeze(channel=False)), shaken(conv_coupling(4, (2, 2))), shaken(two_scales())]
    x = torch.randn(5, 4, 4, dtype=torch.float64)
    composed = ComposeTransform(maps)
    z, log_det = push(maps, x)
    torch.testing.assert_close(z, composed(x))
    torch.testing.assert_close(log_det, composed.log_abs_det_jacobian(x, composed(x)))
    torch.testing.assert_close(pull(maps, z), composed.inv(z))


def test_a_coupling_leaves_what_it_keeps_and_its_jacobian_is_triangular():
    torch.manual_seed(4)
    coupling = shaken(dense_coupling())
    x = torch.randn(1, 6, dtype=torch.float64)
    assert torch.equal(coupling(x)[:, coupling.kept], x[:, coupling.kept])
    jacobian = torch.autograd.functional.jacobian(lambda one: coupling(one[None])[0], x[0])
    order = torch.cat([coupling.kept, coupling.moved])
    ordered = jacobian[order][:, order]
    assert torch.equal(ordered.triu(1), torch.zeros(6, 6, dtype=torch.float64))


def test_the_log_scale_is_bounded_whatever_the_net_says():
    coupling = AffineCoupling(MLP([1, 2]), torch.tensor([False, True]))
    nn.init.constant_(coupling.net[0].bias, 1e6)
    x = torch.randn(4, 2)
    assert coupling.log_abs_det_jacobian(x, coupling(x)).abs().max() <= 1 + 1e-6


def test_a_remembered_log_determinant_is_not_used_for_other_data():
    torch.manual_seed(5)
    coupling = shaken(dense_coupling())
    x, other = torch.randn(2, 3, 6, dtype=torch.float64).unbind()
    coupling(x)
    torch.testing.assert_close(coupling.log_abs_det_jacobian(other, coupling(other)), coupling.push(other)[1])


def test_activation_normalisation_starts_at_mean_zero_and_variance_one():
    norm = ActNorm((4,))
    x = torch.randn(500, 4) * torch.tensor([1.0, 10.0, 0.1, 0.0]) + 3
    norm.start_from(x)
    y = norm(x)
    torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(0), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("moved", [[True, True], [False, False]])
def test_a_coupling_that_moves_all_or_nothing_is_refused(moved):
    with pytest.raises(ValueError, match="keeps some entries and moves some"):
        AffineCoupling(MLP([1, 2]), torch.tensor(moved))


def test_quantiles_make_the_training_pixels_normal():
    torch.manual_seed(6)
    grey = (torch.rand(4000, 1, 2) ** 3 * 256).byte()
    y = PixelQuantile(grey, 1e-3)(grey + torch.rand(grey.shape))
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    expected = torch.distributions.Normal(0, 1).icdf(shares)
    for pixel in y.reshape(4000, 2).T:
        torch.testing.assert_close(pixel.quantile(shares), expected, atol=0.1, rtol=0)


def test_a_quantile_maps_density_is_the_histogram():
    grey = torch.tensor([0, 0, 0, 128], dtype=torch.uint8).view(4, 1, 1)
    transform = PixelQuantile(grey, 1.0)
    x = torch.tensor([0.3, 128.9, 7.0]).view(3, 1, 1)
    y = transform(x)
    density = torch.distributions.Normal(0, 1).log_prob(y) + transform.log_abs_det_jacobian(x, y)
    expected = [math.log(0.8 * share + 0.2 / 256) for share in (0.75, 0.25, 0.0)]
    torch.testing.assert_close(density.flatten(), torch.tensor(expected), atol=1e-4, rtol=0)


def test_the_ends_of_the_range_stay_finite():
    for transform in (PixelLogit(1e-6), PixelQuantile(GREYS, 1e-8)):
        x = torch.stack([torch.zeros(2, 3), torch.full((2, 3), 255.99998)])
        y = transform(x)
        assert torch.isfinite(y).all()
        assert torch.isfinite(transform.log_abs_det_jacobian(x, y)).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_an_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        PixelLogit(alpha)


def test_a_histogram_without_smoothing_is_refused():
    with pytest.raises(ValueError, match="smoothing"):
        PixelQuantile(GREYS, 0.0)
