"""The loss of a model that writes words."""

from jaxtyping import Float, Int
from torch import Tensor

from coursework.data.text import EOS, PAD


def word_loss(
    logits: Float[Tensor, "batch step vocab"], target: Int[Tensor, "batch step"], *, end: bool, smoothing: float
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """The mean over words of the cross entropy, and −log p of every sentence; `PAD` counts in neither.

    Args:
        logits: of every step.
        target: word numbers.
        end: whether `EOS` counts.
        smoothing: share of the target's probability spread over all words, in the mean alone.

    Reference for the smoothing: Szegedy et al., arXiv:1512.00567, section 7.
    """
    log_p = logits.log_softmax(-1)
    counted = target != PAD if end else (target != PAD) & (target != EOS)
    each = log_p.gather(-1, target[..., None])[..., 0].neg().masked_fill(~counted, 0.0)
    total = each.sum()
    if smoothing:
        total = (1 - smoothing) * total - smoothing * log_p.mean(-1).masked_fill(~counted, 0.0).sum()
    return total / counted.sum(), each.detach().sum(1)
