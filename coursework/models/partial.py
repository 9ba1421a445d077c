"""Images of which only some pixels are seen: a hidden pixel is NaN, and no likelihood counts it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Independent

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.distributions.families import Family
from coursework.distributions.fixed_scale import FixedScaleNormal
from coursework.inference import decode, infer_latents
from coursework.nets.decoders import SkipDecoder


def hide(
    x: Float[Tensor, "image height width"], fraction: float, seed: int
) -> tuple[Float[Tensor, "image height width"], Bool[Tensor, "image height width"]]:
    """The images with `fraction` of each one's pixels, drawn at random, set to NaN; and where that is.

    Draws are ordered: with the same seed, what a smaller fraction hides a larger one hides too.

    Raises:
        ValueError: the fraction is not between 0 and 1, or rounds to none or all of the pixels.
    """
    pixels = x[0].numel()
    count = round(fraction * pixels)
    if not 0 < count < pixels:
        raise ValueError(f"fraction = {fraction}: hides {count} of {pixels} pixels; leave some seen and some hidden.")
    order = torch.rand(len(x), pixels, generator=torch.Generator().manual_seed(seed)).argsort(1).argsort(1)
    hidden = (order < count).view_as(x)
    return x.masked_fill(hidden, torch.nan), hidden


class SeenNormal(FixedScaleNormal):
    """N(loc, scale²) of the values that are there: a NaN has density 1, which is what integrating it out leaves."""

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """0 at NaN, the normal's elsewhere."""
        seen = ~value.isnan()
        return super().log_prob(torch.where(seen, value, 0.0)) * seen


class SeenDecoder(GaussianDecoder):
    """p(x|z) of a decoder's images where pixels may be missing. Shares the decoder's net."""

    def forward(self, context: Float[Tensor, "batch latent"]) -> Independent:
        """The law of images given latents; it gives NaN pixels no say."""
        loc = self.net(context)
        return Independent(SeenNormal(loc, self.scale), loc.dim() - 1, validate_args=False)


def fit_to_seen(
    decoder: GaussianDecoder,
    x: Float[Tensor, "image height width"],
    family: Family,
    latent_dim: int,
    *,
    beta: float,
    num_steps: int,
    lr: float,
    start: LatentTable,
    settle_steps: int = 0,
    settle_rate: float = 0.3,
) -> LatentTable:
    """Posteriors of images by their seen pixels alone, the decoder frozen.

    Args:
        decoder: trained, around a `SkipDecoder`.
        x: images in the decoder's range, NaN where hidden.
        family: of the posteriors.
        latent_dim: coordinates of a latent.
        beta: weight of the divergence.
        num_steps: steps of Adam.
        lr: first step size.
        start: posteriors to start from; left as it is.
        settle_steps: steps against the decoder's linear part before the others; 0 for none.
        settle_rate: their first step size.

    Raises:
        NonFiniteError: a latent is not finite.
        TypeError: the decoder's net has no linear part to settle against.
    """
    if settle_steps:
        if not isinstance(decoder.net, SkipDecoder) or decoder.net.linear is None:
            raise TypeError("settle_steps > 0 needs a SkipDecoder with a linear part: set settle_steps = 0.")
        linear, flat = SeenDecoder(decoder.net.linear, decoder.scale), x.flatten(1)
        start = infer_latents(
            linear, flat, family, latent_dim, beta=beta, num_steps=settle_steps, lr=settle_rate, start=start
        )
    seen = SeenDecoder(decoder.net, decoder.scale)
    return infer_latents(seen, x, family, latent_dim, beta=beta, num_steps=num_steps, lr=lr, start=start)


@torch.no_grad()
def fill_in(
    encoder: Encoder,
    decoder: GaussianDecoder,
    x: Float[Tensor, "image height width"],
    guess: Float[Tensor, "height width"],
    rounds: int,
) -> Float[Tensor, "image height width"]:
    """Images whole: hidden pixels start at `guess`, then encoder and decoder replace them `rounds` times.

    Locations stand for posteriors, so the rounds go to a fixed point. No round gives `guess` back.

    Args:
        encoder: images → posteriors.
        decoder: latents → law of images.
        x: NaN where hidden.
        guess: value per pixel, the training images' mean for instance.
        rounds: times through encoder and decoder.

    Reference: Rezende et al., arXiv:1401.4082, appendix F, there with draws.
    """
    hidden = x.isnan()
    filled = torch.where(hidden, guess, x)
    for _ in range(rounds):
        decoded = decode(decoder, encoder.family.location(encoder(filled))).clamp(0, 1)
        filled = torch.where(hidden, decoded, x)
    return filled


@torch.no_grad()
def principal_regression(
    train: Float[Tensor, "train height width"], x: Float[Tensor, "image height width"], num_components: int
) -> Float[Tensor, "image height width"]:
    r"""E[image | seen pixels] under probabilistic PCA of the training images: the linear way, in closed form.

    x = W z + m + noise of variance s², z ~ N(0, I), with W = V·(Λ − s²)^½ of the leading components and s² the mean
    variance of the others; then z given the seen rows is the solution of (WᵀW + s²) z = Wᵀ(x − m) over those rows.

    Raises:
        ValueError: more components than the training images determine, less one.

    Reference: Tipping and Bishop, Journal of the Royal Statistical Society B 61(3), 1999.
    """
    rows = train.flatten(1).double()
    if not 0 < num_components < min(rows.shape):
        raise ValueError(f"num_components = {num_components}: give 1 to {min(rows.shape) - 1}.")
    center = rows.mean(0)
    _, singular, axes = torch.linalg.svd(rows - center, full_matrices=False)
    variances = singular.square() / len(rows)
    noise = variances[num_components:].sum() / (rows.shape[1] - num_components)
    matrix = axes[:num_components].T * (variances[:num_components] - noise).clamp(min=0).sqrt()  # (pixel, component)
    out = []
    for image in x.flatten(1).double():
        seen = ~image.isnan()
        part = matrix[seen]
        gram = part.T @ part + noise * torch.eye(num_components, dtype=torch.float64)
        z = torch.linalg.solve(gram, part.T @ (image - center)[seen])
        out.append(matrix @ z + center)
    return torch.stack(out).float().reshape(x.shape)
