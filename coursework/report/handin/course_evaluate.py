"""Scoring as the course's contract describes it: the loss of a batch, and the fit of latents with a given optimiser."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader


def reconstruction_loss(x: Tensor, x_rec: Tensor) -> Tensor:
    """The root of the summed squared error over a batch, divided by the number of its pixels."""
    return torch.linalg.vector_norm(x - x_rec) / (len(x) * x[0].numel())


def evaluate_model(
    model: nn.Module,
    test_dl: DataLoader,
    opt: torch.optim.Optimizer,
    latents: Tensor,
    epochs: int,
    device: torch.device,
) -> float:
    """Fit by `opt` for some passes over the batches, then the mean of the batches' losses.

    What moves is decided by `opt` alone, and the model's mode is left as it is.
    """
    for _ in range(epochs):
        for i, x in test_dl:
            i, x = i.to(device), x.to(device)
            loss = reconstruction_loss(x, model(latents[i]))
            opt.zero_grad()
            loss.backward()
            opt.step()
    with torch.no_grad():
        losses = [reconstruction_loss(x.to(device), model(latents[i.to(device)])).item() for i, x in test_dl]
    return sum(losses) / len(losses)
