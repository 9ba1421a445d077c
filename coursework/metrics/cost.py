"""What a decoder costs by itself: a yardstick for the cost of training around it."""

import time

import torch
from jaxtyping import Float
from torch import Tensor

from coursework.conditionals import GaussianDecoder


def decoder_seconds(
    decoder: GaussianDecoder,
    z: Float[Tensor, "batch latent"],
    x: Float[Tensor, "batch height width"],
    num_steps: int,
) -> float:
    """CPU seconds of one training step of the decoder alone, the least of three measurements.

    A step is what no training can do without: decode a batch, its likelihood, the gradients by the weights and by the
    latents, and Adam's update of the weights. No table, no posterior, no divergence, no batch to gather.

    Args:
        decoder: left with other weights than it came with.
        z: latents of one batch.
        x: images of one batch.
        num_steps: steps per measurement.
    """
    optimizer = torch.optim.Adam(decoder.parameters(), fused=True)
    z = z.clone().requires_grad_()
    times = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(num_steps):
            optimizer.zero_grad(set_to_none=True)
            z.grad = None
            (-decoder(z).log_prob(x).mean()).backward()
            optimizer.step()
        times.append((time.process_time() - began) / num_steps)
    return min(times)
