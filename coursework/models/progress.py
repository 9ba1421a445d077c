"""What a model could do along the way: pictures from fixed latents, and its bound, epoch by epoch."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.conditionals import Conditional


class Progress(nn.Module):
    """Records at chosen epochs, in buffers: a run that is interrupted and resumed keeps them with its weights.

    Recording draws from a random state of its own, so that a model that is watched trains as one that is not.

    Args:
        decoder: z → p(x|z).
        z: the latents that are decoded at every one of `epochs`.
        image_shape: height and width.
        epochs: whole numbers of passes over the data, 0 for the start, at which pictures are taken.
        num_epochs: passes in all; the bound is recorded at each.
        bound: the model's bound of held-out images, in nats.

    Attributes:
        shown: means of p(x|z) at `epochs`, on 0…1.
        bounds: at 0 … `num_epochs` passes; zero where none is recorded yet.
    """

    z: Tensor
    shown: Tensor
    bounds: Tensor

    def __init__(
        self,
        decoder: Conditional,
        z: Float[Tensor, "image latent"],
        image_shape: tuple[int, int],
        epochs: Sequence[int],
        num_epochs: int,
        bound: Callable[[], float],
    ) -> None:
        super().__init__()
        self._decoder, self._bound, self.epochs = [decoder], bound, tuple(epochs)  # in a list: not a part of this one
        self.register_buffer("z", z)
        self.register_buffer("shown", torch.zeros(len(self.epochs), len(z), *image_shape))
        self.register_buffer("bounds", torch.zeros(num_epochs + 1))

    @torch.no_grad()
    def record(self, epoch: int) -> None:
        """The bound after `epoch` passes, and the pictures if they are wanted then."""
        devices = [self.z.device] if self.z.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(epoch)
            self.bounds[epoch] = self._bound()
        if epoch in self.epochs:
            self.shown[self.epochs.index(epoch)] = self._decoder[0](self.z).mean


def doubling(num_epochs: int) -> tuple[int, ...]:
    """Epochs at which pictures tell most: 0, 1, 2, 4, … below the last one, and the last one.

    >>> doubling(10)
    (0, 1, 2, 4, 8, 10)
    """
    powers = [2**k for k in range(num_epochs.bit_length()) if 2**k < num_epochs]
    return (0, *powers, num_epochs)
