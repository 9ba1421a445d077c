"""How close reconstructions are to images, and the baselines that a decoder has to beat."""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor

PIXEL_MAX = 255.0
"""Images count 0 to 255 wherever a score is computed."""

_SSIM_ROWS = 200
"""Images whose structural similarity is computed at a time."""


def course_score(
    x: Num[Tensor, "image height width"], x_rec: Float[Tensor, "image height width"], batch_size: int = 64
) -> float:
    r"""The course's score: mean over batches of ‖X − R‖_F / (B·pixels), images 0…255, lower is better.

    Every batch counts the same, the last and smaller one too, so a score belongs to a batch size. At batch 64 and 1,000
    images it is 1.15724·√MSE with MSE per pixel on 0…1.

    Raises:
        ValueError: shapes differ (a channel axis would broadcast silently), or there is no image.
    """
    _check_shapes(x, x_rec)
    difference = (x.double() - x_rec.double()).flatten(1)
    losses = [block.norm() / block.numel() for block in difference.split(batch_size)]
    return torch.stack(losses).mean().item()


def mse(x: Num[Tensor, "image height width"], x_rec: Float[Tensor, "image height width"]) -> float:
    """Mean squared error per pixel, images rescaled from 0…255 to 0…1.

    Raises:
        ValueError: shapes differ, or there is no image.
    """
    _check_shapes(x, x_rec)
    return ((x.double() - x_rec.double()) / PIXEL_MAX).square().mean().item()


def psnr(x: Num[Tensor, "image height width"], x_rec: Float[Tensor, "image height width"]) -> float:
    """Peak signal-to-noise ratio in decibels, −10·log₁₀(MSE); infinite for equal images.

    Raises:
        ValueError: shapes differ, or there is no image.
    """
    error = mse(x, x_rec)
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(x: Num[Tensor, "image height width"], x_rec: Float[Tensor, "image height width"]) -> float:
    """Mean structural similarity, 11×11 Gaussian window of scale 1.5, images 0…255; 1 for equal images.

    Raises:
        ValueError: shapes differ, or there is no image.

    Reference: Wang et al., IEEE Transactions on Image Processing 13(4), 2004.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    _check_shapes(x, x_rec)
    total = 0.0
    for rows in torch.arange(len(x)).split(_SSIM_ROWS):  # the measure's memory is many times the images'
        value = structural_similarity_index_measure(
            x_rec[rows].double()[:, None], x[rows].double()[:, None], data_range=PIXEL_MAX
        )
        total += len(rows) * torch.as_tensor(value).item()
    return total / len(x)


def mse_from_log_likelihood(log_likelihood: float, scale: float, num_pixels: int) -> float:
    r"""The mean squared error per pixel behind a Gaussian log-likelihood of an image, in the units of `scale`.

    log p = −pixels·(MSE/(2·scale²) + ½·log(2π·scale²)), solved for MSE.

    >>> round(mse_from_log_likelihood(-0.5 * 4 * math.log(2 * math.pi), 1.0, 4), 12)
    0.0
    """
    return 2 * scale**2 * (-log_likelihood / num_pixels - 0.5 * math.log(2 * math.pi * scale**2))


def reconstruction_scores(
    x: Num[Tensor, "image height width"], x_rec: Float[Tensor, "image height width"], batch_size: int = 64
) -> dict[str, float]:
    """`score`, `mse`, `psnr` and `ssim` of the reconstructions."""
    return {
        "score": course_score(x, x_rec, batch_size),
        "mse": mse(x, x_rec),
        "psnr": psnr(x, x_rec),
        "ssim": ssim(x, x_rec),
    }


def pca_reconstruction(
    train: Num[Tensor, "train height width"], x: Num[Tensor, "image height width"], num_components: int
) -> Float[Tensor, "image height width"]:
    """Images projected on the affine span of the training images' leading principal components: the linear floor.

    Raises:
        ValueError: more components than training images or pixels.
    """
    rows = train.flatten(1).double()
    if not 0 < num_components <= min(rows.shape):
        raise ValueError(
            f"num_components = {num_components}: give 1 to {min(rows.shape)}, the smaller of images and pixels."
        )
    center = rows.mean(0)
    basis = torch.linalg.svd(rows - center, full_matrices=False).Vh[:num_components]  # (component, pixel)
    flat = x.flatten(1).double() - center
    return (flat @ basis.T @ basis + center).float().reshape(x.shape)


def mean_reconstruction(
    train: Num[Tensor, "train height width"], x: Num[Tensor, "image height width"]
) -> Float[Tensor, "image height width"]:
    """The training images' mean in place of every image: what a collapsed decoder reaches."""
    return train.float().mean(0).expand(x.shape).clone()


def _check_shapes(x: Tensor, x_rec: Tensor) -> None:
    if x.shape != x_rec.shape:
        raise ValueError(
            f"images {tuple(x.shape)} and reconstructions {tuple(x_rec.shape)} differ in shape: drop the channel axis."
        )
    if len(x) == 0:
        raise ValueError("there is no image to compare.")
