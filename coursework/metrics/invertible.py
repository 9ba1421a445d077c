"""How exactly a flow inverts itself, and points between two of its latents."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from coursework.models.flow import Flow


class Exactness(NamedTuple):
    """Largest errors of a flow on some images.

    Attributes:
        round_trip: of a pixel on 0…1 that goes to the latent and back.
        log_det: of the log-determinant per dimension, in nats, against autograd's Jacobian; NaN if not asked for.
    """

    round_trip: float
    log_det: float


def exactness(flow: Flow, x: Float[Tensor, "batch *image"], *, jacobian: bool = False) -> Exactness:
    """The errors of the round trip and, for `jacobian`, of the log-determinant, which costs a Jacobian per image."""
    with torch.no_grad():
        z, found = flow.normalise(x)
        round_trip = ((flow.generate(z) - x) / 256).abs().max().item()
    if not jacobian:
        return Exactness(round_trip, float("nan"))
    gaps = []
    for example, value in zip(x, found, strict=True):
        whole = torch.autograd.functional.jacobian(lambda one: flow.normalise(one[None])[0][0], example, vectorize=True)
        expected = torch.linalg.slogdet(whole.reshape(flow.num_dims, flow.num_dims).double()).logabsdet
        gaps.append((value - expected).abs().item() / flow.num_dims)
    return Exactness(round_trip, max(gaps))


def arc(first: Float[Tensor, " latent"], last: Float[Tensor, " latent"], num_points: int) -> Tensor:
    """Points from one latent to another along the arc of a great circle, lengths interpolated evenly.

    Draws of N(0, I) in many dimensions all lie near one sphere, which a straight line between two of them leaves.

    Raises:
        ValueError: fewer than two points, or latents in line with the origin, between which there is no one arc.

    >>> arc(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), 3).norm(dim=1)
    tensor([1.0000, 1.5000, 2.0000])
    """
    lengths = first.norm(), last.norm()
    cosine = (first @ last / (lengths[0] * lengths[1])).clamp(-1, 1)
    if num_points < 2 or 1 - cosine.abs() < 1e-6:
        raise ValueError(f"num_points = {num_points}, cosine = {cosine:g}: give two points or more, and latents apart.")
    angle = cosine.arccos()
    share = torch.linspace(0, 1, num_points, dtype=first.dtype, device=first.device)[:, None]
    turned = ((1 - share) * angle).sin() * first / lengths[0] + (share * angle).sin() * last / lengths[1]
    return turned / angle.sin() * torch.lerp(lengths[0], lengths[1], share)
