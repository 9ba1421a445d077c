"""A decoder whose pixels have a density on 0…1: grey values as data, where coins know black and white alone."""

from torch import Tensor
from torch.distributions import ContinuousBernoulli, Distribution, Independent

from coursework.conditionals import BernoulliDecoder


class ContinuousBernoulliDecoder(BernoulliDecoder):
    """p(x|z), a density on 0…1 for every pixel: the Bernoulli law's formula, normalised over grey values.

    Reference: Loaiza-Ganem and Cunningham, arXiv:1907.06845, equation 5.
    """

    def forward(self, context: Tensor) -> Distribution:
        """The law of images given latents."""
        logits = self.net(context)
        law = ContinuousBernoulli(logits=logits, validate_args=False)
        return Independent(law, logits.dim() - 1, validate_args=False)
