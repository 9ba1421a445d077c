"""The auto-encoder on data that a linear map explains, where the best encoder is known in closed form."""

import pytest
import torch
from torch import nn

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.inference import infer_latents
from coursework.models.vae import encoder_table, start_from_table, vae_player
from coursework.nets.encoders import ConvEncoder
from coursework.training.loop import fit

SCALE, LATENT = 0.1, 3


@pytest.fixture
def model():
    """A linear decoder to 4 × 4 pixels, 400 images drawn from it, and the exact posteriors' locations."""
    linear = nn.Linear(LATENT, 16)
    with torch.no_grad():
        linear.weight.copy_(torch.linalg.qr(torch.randn(16, LATENT)).Q * torch.tensor([0.2, 0.5, 1.0]))
        linear.bias.fill_(0.5)
        x = linear(torch.randn(400, LATENT)) + SCALE * torch.randn(400, 16)
        precision = 1 + linear.weight.square().sum(0) / SCALE**2
        locations = (x - linear.bias) @ linear.weight / SCALE**2 / precision
    decoder = GaussianDecoder(nn.Sequential(linear, nn.Unflatten(1, (4, 4))), SCALE)
    return decoder, x.detach().view(-1, 4, 4), locations.detach(), precision.detach().rsqrt()


def new_encoder(family="normal"):
    net = ConvEncoder(2, 4, (4, 4))
    return Encoder(net, net.num_features, LATENT, FAMILIES[family])


def test_it_starts_at_the_projection_that_the_linear_decoder_asks_for(model):
    """The regression of fitted posteriors on pixels is the ridge projection (WᵀW + s²)⁻¹Wᵀ(x − b), the exact one."""
    _, x, locations, spread = model
    encoder = new_encoder()
    table = LatentTable(len(x), LATENT, encoder.family)
    raw = [encoder.family.raw(0.0, s)[1] for s in spread.tolist()]
    with torch.no_grad():
        table.raw.copy_(torch.stack([locations, torch.tensor(raw).expand(len(x), LATENT)], 1))
        encoder.head.weight[:, : -x[0].numel()] = 0  # what the convolutions add at the start is noise
    start_from_table(encoder, x, table)
    law = encoder(x)
    torch.testing.assert_close(law.mean, locations, atol=0.02, rtol=0.02)
    torch.testing.assert_close(law.stddev, spread.expand(len(x), LATENT), atol=1e-3, rtol=1e-3)


def test_any_family_starts_where_its_table_is():
    """Raw parameters, not locations, are regressed: a table that is linear in the pixels is met whatever it means."""
    x = torch.rand(200, 4, 4)
    for name in ("uniform", "kumaraswamy", "von-mises-fisher", "student"):
        encoder = new_encoder(name)
        table = LatentTable(200, LATENT, encoder.family)
        with torch.no_grad():
            table.raw.copy_((x.flatten(1) @ torch.randn(16, table.raw[0].numel())).view_as(table.raw) / 10)
            encoder.head.weight[:, :-16] = 0
        start_from_table(encoder, x, table)
        torch.testing.assert_close(encoder_table(encoder, x, LATENT).raw, table.raw, atol=0.02, rtol=0.05)


def test_the_table_holds_the_encoders_posteriors_in_any_batches(model):
    _, x, _, _ = model
    encoder = new_encoder()
    table = encoder_table(encoder, x, LATENT, batch_size=7)
    law, rows = encoder(x), table(torch.arange(len(x)))
    torch.testing.assert_close(rows.mean, law.mean)
    torch.testing.assert_close(rows.stddev, law.stddev)
    assert table.raw.requires_grad


def test_training_the_encoder_alone_reaches_the_exact_posterior(model):
    decoder, x, locations, spread = model
    images = (255 * x).round().clamp(0, 255).to(torch.uint8)
    kept = ((x >= 0) & (x <= 1)).flatten(1).all(1)
    encoder, prior = new_encoder(), FAMILIES["normal"].prior(LATENT)
    player = vae_player(
        encoder,
        decoder,
        prior,
        images[kept],
        beta=1.0,
        rate=1e-9,
        encoder_rate=1e-2,
        betas=(0.9, 0.99),
        schedule=lambda step: 1 - step / 400,
    )
    fit({"vae": player}, lambda step: torch.randint(int(kept.sum()), (64,)), 400)
    law = encoder(images[kept] / 255)
    error = (law.mean - locations[kept]).square().mean(0).sqrt()
    assert (error < 0.5 * spread).all()
    torch.testing.assert_close(law.stddev.mean(0), spread, rtol=0.25, atol=0.0)


def test_refining_an_encoder_improves_every_bound(model):
    decoder, x, locations, _ = model
    encoder = new_encoder()
    start = encoder_table(encoder, x, LATENT)
    fitted = infer_latents(decoder, x, encoder.family, LATENT, beta=1.0, num_steps=150, lr=0.1, start=start)
    before = (start.locations() - locations).norm(dim=1)
    after = (fitted.locations() - locations).norm(dim=1)
    assert after.max() < 0.2 < before.median()
