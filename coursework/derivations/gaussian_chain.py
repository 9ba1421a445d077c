"""A diffusion of two steps, all Gaussian, computed by quadrature and linear algebra instead of closed forms."""

import dataclasses
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence


@dataclasses.dataclass(frozen=True)
class Chain:
    """A chain of numbers, each step a line and a variance.

    Noising: x_1 ~ N(a_1 x_0, β_1), x_2 ~ N(a_2 x_1, β_2).
    Model: x_2 ~ N(0, 1), x_1 ~ N(b_2 x_2, v_2), x_0 ~ N(b_1 x_1, v_1).
    """

    a_1: float
    a_2: float
    beta_1: float
    beta_2: float
    b_1: float
    b_2: float
    v_1: float
    v_2: float

    @classmethod
    def reversing(cls, beta_1: float, beta_2: float) -> "Chain":
        """The chain whose model is the noising run backwards, for standard normal data."""
        a_1, a_2 = math.sqrt(1 - beta_1), math.sqrt(1 - beta_2)
        return cls(a_1, a_2, beta_1, beta_2, a_1, a_2, beta_1, beta_2)

    def log_evidence(self, x_0: float) -> float:
        """Log p(x_0)."""
        value = torch.tensor([x_0], dtype=torch.float64)
        return float(MultivariateNormal(torch.zeros_like(value), self._joint()[:1, :1]).log_prob(value))

    def noising(self, x_0: float) -> MultivariateNormal:
        """q(x_1, x_2 | x_0)."""
        mean = torch.tensor([self.a_1 * x_0, self.a_2 * self.a_1 * x_0], dtype=torch.float64)
        mix = torch.tensor(
            [[math.sqrt(self.beta_1), 0], [self.a_2 * math.sqrt(self.beta_1), math.sqrt(self.beta_2)]],
            dtype=torch.float64,
        )
        return MultivariateNormal(mean, scale_tril=mix)

    def posterior(self, x_0: float) -> MultivariateNormal:
        """p(x_1, x_2 | x_0), by conditioning the joint law."""
        joint = self._joint()
        gain = joint[1:, :1] / joint[0, 0]
        return MultivariateNormal(gain[:, 0] * x_0, joint[1:, 1:] - gain @ joint[:1, 1:])

    def divergence(self, x_0: float) -> float:
        """KL(q(x_1, x_2|x_0)‖p(x_1, x_2|x_0))."""
        return float(kl_divergence(self.noising(x_0), self.posterior(x_0)))

    def bound(self, x_0: float, *, conditioned: bool = True, nodes: int = 8) -> float:
        """The bound: E_q of log p(x_0, x_1, x_2) − log q(x_1, x_2|x_0), by Gauss–Hermite quadrature.

        Args:
            x_0: the data.
            conditioned: False puts p(x_1) for p(x_1|x_2), as misprinted.
            nodes: in each of the two directions; the integrand is quadratic, for which two are enough.
        """
        points, weights = np.polynomial.hermite_e.hermegauss(nodes)
        eps = torch.tensor([[one, two] for one in points for two in points])
        mass = torch.tensor([one * two for one in weights for two in weights]) / (2 * math.pi)
        q = self.noising(x_0)
        paths = q.loc + eps @ q.scale_tril.T
        return float(mass @ (self.log_joint(x_0, paths, conditioned=conditioned) - q.log_prob(paths)))

    def log_joint(
        self, x_0: float, paths: Float[Tensor, "*path 2"], *, conditioned: bool = True
    ) -> Float[Tensor, "*path"]:
        """Log p(x_0, x_1, x_2) at given (x_1, x_2); `conditioned` as in `bound`."""
        x_1, x_2 = paths.unbind(-1)
        if conditioned:
            middle = _log_normal(x_1 - self.b_2 * x_2, self.v_2)
        else:
            middle = _log_normal(x_1, self.v_2 + self.b_2**2)
        return _log_normal(x_0 - self.b_1 * x_1, self.v_1) + middle + _log_normal(x_2, 1.0)

    def _joint(self) -> Float[Tensor, "3 3"]:
        """Covariance of (x_0, x_1, x_2) under the model."""
        scales = [math.sqrt(self.v_1), math.sqrt(self.v_2), 1.0]
        third = np.array([0, 0, scales[2]])
        second = self.b_2 * third + [0, scales[1], 0]
        first = self.b_1 * second + [scales[0], 0, 0]
        mix = torch.tensor(np.stack([first, second, third]))
        return mix @ mix.T


def _log_normal(deviation: Tensor, variance: float) -> Tensor:
    return -(deviation.square() / variance + math.log(2 * math.pi * variance)) / 2
