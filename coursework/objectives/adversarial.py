"""The two sides of a generative adversarial game, with a discriminator or with a critic."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from coursework.objectives import Terms


def gan_discriminator_loss(
    real_logits: Float[Tensor, " batch"], fake_logits: Float[Tensor, " batch"], *, smooth: float = 1.0
) -> tuple[Float[Tensor, ""], Terms]:
    r"""Minus the value of the game, −E[log D(x)] − E[log(1 − D(G(z)))], D = sigmoid of the logit, in nats.

    Args:
        real_logits: of data.
        fake_logits: of generated examples.
        smooth: target for data; 1 for the game as it stands, less for one-sided label smoothing.

    Raises:
        ValueError: `smooth` is not in (0, 1].

    Reference: Goodfellow et al., arXiv:1406.2661, equation 1.
    """
    if not 0 < smooth <= 1:
        raise ValueError(f"smooth = {smooth}: the target for data lies in (0, 1].")
    real = -(smooth * logsigmoid(real_logits) + (1 - smooth) * logsigmoid(-real_logits))
    fake = -logsigmoid(-fake_logits)
    return real.mean() + fake.mean(), {"real": real, "fake": fake}


def gan_generator_loss(
    fake_logits: Float[Tensor, " batch"], *, saturating: bool = False
) -> tuple[Float[Tensor, ""], Terms]:
    """E[log(1 − D(G(z)))], the generator's side of the game; or −E[log D(G(z))], which is not flat where D is near 0.

    Args:
        fake_logits: of generated examples.
        saturating: the first of the two.

    Reference: arXiv:1406.2661, section 3.
    """
    per_example = logsigmoid(-fake_logits) if saturating else -logsigmoid(fake_logits)
    return per_example.mean(), {"generator": per_example}


def wgan_critic_loss(
    real_scores: Float[Tensor, " batch"], fake_scores: Float[Tensor, " batch"]
) -> tuple[Float[Tensor, ""], Terms]:
    """E[f(G(z))] − E[f(x)]: minus the gap whose largest value over 1-Lipschitz critics f is W1.

    Reference: Arjovsky et al., arXiv:1701.07875, equation 2.
    """
    return fake_scores.mean() - real_scores.mean(), {"real": real_scores, "fake": fake_scores}


def wgan_generator_loss(fake_scores: Float[Tensor, " batch"]) -> tuple[Float[Tensor, ""], Terms]:
    """−E[f(G(z))]."""
    return -fake_scores.mean(), {"generator": -fake_scores}


def wgan_gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Float[Tensor, "*batch feature"], fake: Float[Tensor, "*batch feature"]
) -> Float[Tensor, "*batch"]:
    """(‖∇f‖ − 1)² at one random point of the line between each pair of a real and a fake example.

    Args:
        critic: points → scores, each score a function of its own point alone.
        real: data.
        fake: generated examples, as many.

    Reference: Gulrajani et al., arXiv:1704.00028, equation 3.
    """
    share = torch.rand(real.shape[:-1], device=real.device, dtype=real.dtype)[..., None]
    between = torch.lerp(real, fake, share).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.norm(dim=-1) - 1).square()
