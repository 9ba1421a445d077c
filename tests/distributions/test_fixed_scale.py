"""The pixel likelihood against torch's Normal."""

import torch
from torch.distributions import Normal

from coursework.distributions.fixed_scale import FixedScaleNormal


def test_same_density_draws_and_gradient_as_torch_s_normal():
    loc = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, 3, 4, dtype=torch.float64)
    ours, torchs = FixedScaleNormal(loc, 0.3), Normal(loc, 0.3)
    torch.testing.assert_close(ours.log_prob(value), torchs.log_prob(value))
    gradients = [torch.autograd.grad(law.log_prob(value).sum(), loc)[0] for law in (ours, torchs)]
    torch.testing.assert_close(*gradients)
    torch.manual_seed(1)
    first = ours.rsample()
    torch.manual_seed(1)
    assert torch.equal(first, torchs.rsample())
