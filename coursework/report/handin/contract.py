"""The course's contract as checks on two programs that have run, and the faults of others as further ones."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from coursework.report.handin.watch import HandIn, weights_hash

SIDE = 28


class Black(nn.Module):
    """Decodes everything to black: beside black images a loss is its divergence alone."""

    def forward(self, z: Tensor) -> Tensor:
        """Zeros."""
        return z.new_zeros(len(z), SIDE, SIDE)


def check_form(hand_in: HandIn) -> None:
    """Decoded images have shape (B, 28, 28), are float32 and lie on 0..255, for a batch of any size."""
    for label, one in hand_in.models.items():
        for size in (64, 40, 1):
            index = torch.arange(size) % len(one.latents)
            for rows in (one.latents[index], 30 * torch.randn_like(one.latents[index])):
                images = one.model(rows).detach()
                assert images.shape == (size, SIDE, SIDE), (
                    f"{label}: images of shape {tuple(images.shape)} for {size} rows"
                )
                assert images.dtype == torch.float32, f"{label}: images are {images.dtype}"
                assert bool(torch.isfinite(images).all()), f"{label}: pixels that are not finite"
                low, high = images.min().item(), images.max().item()
                assert low >= 0, f"{label}: a pixel of {low}"
                assert 1 < high <= 255, f"{label}: the largest pixel is {high}"


def check_rows(hand_in: HandIn) -> None:
    """All latents, and each whole posterior of a VAD, live in one leaf tensor that a batch of row numbers indexes."""
    count, d = len(hand_in.train_set), hand_in.outcome.model.settings.latent_dim
    for label, one in hand_in.models.items():
        shapes = {(count, d)} if label == "auto-decoder" else {(count, 2, d), (count, 2 * d)}
        assert tuple(one.latents.shape) in shapes, f"{label}: latents of shape {tuple(one.latents.shape)}"
        for table in (one.latents, one.test_latents):
            assert table.is_leaf, f"{label}: the latents are no leaf tensor"
            assert table.requires_grad, f"{label}: the latents take no gradient"


def check_modes(hand_in: HandIn) -> None:
    """A VAD decodes a fresh draw in training mode, and the posterior's location, the same every time, in eval mode."""
    for family, one in hand_in.outcomes.items():
        rows = one.model.new_latents(16).detach()
        one.model.train()
        first, second = one.model(rows), one.model(rows)
        assert not torch.equal(first, second), f"{family}: two forward passes in training mode agree: nothing is drawn"
        one.model.eval()
        first, second = one.model(rows), one.model(rows)
        assert torch.equal(first, second), f"{family}: two forward passes in eval mode differ"
        middle = one.model.decode(one.model.locations(rows))
        assert torch.equal(first, middle), f"{family}: eval mode does not decode the posterior's location"


def check_decoding(hand_in: HandIn) -> None:
    """Latent vectors can be decoded directly, and posteriors turned into one vector per image."""
    for family, one in hand_in.outcomes.items():
        z = one.model.locations(one.latents)
        wanted = (len(hand_in.train_set), one.model.settings.latent_dim)
        assert tuple(z.shape) == wanted, f"{family}: locations of shape {tuple(z.shape)}, not {wanted}"
        assert bool(torch.isfinite(z).all()), f"{family}: locations that are not finite"
        assert one.model.decode(z[:3]).shape == (3, SIDE, SIDE), f"{family}: a vector does not decode to an image"


def check_scoring(hand_in: HandIn) -> None:
    """Scoring moves the latents and nothing else: weights and buffers stay bit-identical, here and in the programs."""
    for label, one in hand_in.models.items():
        for training in (True, False):
            one.model.train(training)
            before, rows = weights_hash(one.model), torch.nn.Parameter(one.test_latents.detach().clone())
            adam = torch.optim.Adam([rows], lr=0.01)
            hand_in.evaluate.evaluate_model(one.model, hand_in.test_loader, adam, rows, 1, rows.device)
            assert weights_hash(one.model) == before, f"{label}: scoring has changed weights or buffers"
            assert not torch.equal(rows, one.test_latents), f"{label}: scoring has left the latents where they were"
        one.model.eval()
    assert hand_in.watched.scorings, "the programs never called evaluate_model"
    for scoring in hand_in.watched.scorings:
        assert all(held is scoring.latents for held in scoring.held), (
            "an optimiser of the scoring holds more than latents"
        )
        assert scoring.before == scoring.after, "a program trains its decoder while it scores"


def check_no_encoder(hand_in: HandIn) -> None:
    """Every weight of a model belongs to its decoder."""
    for label, one in hand_in.models.items():
        one.model.zero_grad()
        one.model.train()(one.latents).sum().backward()
        idle = [name for name, weight in one.model.named_parameters() if weight.grad is None or not weight.grad.any()]
        one.model.zero_grad()
        assert not idle, f"{label}: {', '.join(idle)} play no part in decoding"
        one.model.eval()


def check_divergence(hand_in: HandIn) -> None:
    """A VAD's loss holds the divergence of posterior from prior, not the reverse: it agrees with a mean over draws."""
    for family, one in hand_in.outcomes.items():
        rows = (one.model.new_latents(8).detach() + 0.7 * torch.randn(8, 2, one.model.settings.latent_dim)).double()
        posterior, prior = one.model.posterior(rows), one.model.prior()
        x = torch.zeros(8, SIDE, SIDE, dtype=torch.float64)
        inside_loss = one.model.loss(rows, Black(), x).item()
        z = posterior.sample((4000,))
        ratios = (posterior.log_prob(z) - prior.log_prob(z)).mean(1)  # over the eight rows
        error = ratios.std() / len(ratios) ** 0.5
        gap = abs(inside_loss - ratios.mean()).item()
        assert gap < 5 * error + 1e-4 * abs(inside_loss), (
            f"{family}: the loss holds a divergence of {inside_loss:.3f}, draws say {ratios.mean():.3f} ± {error:.3f}"
        )


def check_prior(hand_in: HandIn) -> None:
    """What is sampled as the prior follows the law that the divergence names (Kolmogorov-Smirnov)."""
    for family, one in hand_in.outcomes.items():
        law, draws = one.model.prior().base_dist, one.model.sample_prior(500)
        assert draws.shape == (500, one.model.settings.latent_dim), f"{family}: draws of shape {tuple(draws.shape)}"
        u = law.cdf(draws).flatten().double().sort().values
        distance = (u - torch.arange(len(u)) / len(u)).abs().max().item() * len(u) ** 0.5
        assert distance < 2.5, f"{family}: the prior's draws do not follow the prior (KS {distance:.1f})"


def check_legal(hand_in: HandIn) -> None:
    """No raw parameters, however large, give an illegal posterior or an infinite divergence."""
    for family, one in hand_in.outcomes.items():
        for size in (-40.0, 40.0):
            for other in (-40.0, 40.0):
                rows = torch.empty(2, 2, one.model.settings.latent_dim)
                rows[:, 0], rows[:, 1] = size, other
                posterior = one.model.posterior(rows)
                assert bool((posterior.stddev > 0).all()), f"{family}: a scale that is not positive"
                value = one.model.loss(rows, Black(), torch.zeros(2, SIDE, SIDE))
                assert bool(torch.isfinite(value)), (
                    f"{family}: raw parameters {size}, {other} give a loss of {value.item()}"
                )
                assert bool(torch.isfinite(posterior.rsample()).all()), f"{family}: a draw that is not finite"


@torch.no_grad()
def check_by_sample(hand_in: HandIn) -> None:
    """Row i of the latents belongs to image i: nearly every image is decoded better from its row than from the next."""
    for label, one in hand_in.models.items():
        one.model.eval()
        for images, rows in ((hand_in.train_set.X, one.latents), (hand_in.test_set.X, one.test_latents)):
            x = images.to(rows.device)
            own = (one.model(rows) - x).square().flatten(1).sum(1)
            other = (one.model(rows.roll(1, 0)) - x).square().flatten(1).sum(1)
            share = (own < other).float().mean().item()
            assert share > 0.95, f"{label}: {share:.0%} of the images are decoded best from their own row"


def check_labels(hand_in: HandIn) -> None:
    """Labels of the training images are read by `plot_tsne` alone."""
    assert hand_in.watched.labels_read == 0, "labels are read outside plot_tsne"


@torch.no_grad()
def check_steady(hand_in: HandIn) -> None:
    """No batch norm, no dropout: a latent vector decodes to the same image in both modes, whatever stands beside it."""
    for label, one in hand_in.models.items():
        decode = one.model if label == "auto-decoder" else one.model.decode
        z = one.latents if label == "auto-decoder" else one.model.locations(one.latents)
        one.model.train()
        together, alone = decode(z[:32]), decode(z[:1])
        one.model.eval()
        assert torch.equal(together, decode(z[:32])), f"{label}: decoding depends on the mode"
        apart = (together[:1] - alone).abs().max().item()
        assert apart < 0.05, f"{label}: an image changes by {apart:.2f} with the images beside it"


@torch.no_grad()
def check_alive(hand_in: HandIn) -> None:
    """No model has collapsed: it beats the mean image by a fifth, and its images differ as the data do."""
    mean, losses = hand_in.train_set.X.float().mean(0), []
    for _, x in hand_in.test_loader:
        losses.append(hand_in.evaluate.reconstruction_loss(x, mean.expand_as(x)).item())
    floor, spread = sum(losses) / len(losses), hand_in.test_set.X.float().std(0).mean().item()
    for label, one in hand_in.models.items():
        one.model.eval()
        rows = one.test_latents
        still = torch.optim.SGD([rows], lr=0.0)
        score = hand_in.evaluate.evaluate_model(one.model, hand_in.test_loader, still, rows, 0, rows.device)
        assert score < 0.8 * floor, f"{label}: scores {score:.4f}, the mean image {floor:.4f}"
        share = one.model(rows).std(0).mean().item() / spread
        assert share > 0.5, f"{label}: its images vary {share:.2f} times as much as the data"


def check_map(hand_in: HandIn) -> None:
    """`plot_tsne` gets the training set and, in its order, the latents or the posteriors' locations: no draws."""
    maps = hand_in.watched.maps
    assert len(maps) == len(hand_in.models), f"{len(maps)} maps for {len(hand_in.models)} models"
    for (label, one), (dataset, latents) in zip(hand_in.models.items(), maps, strict=True):
        assert torch.equal(dataset.X, hand_in.train_set.X), f"{label}: the map is of another data set"
        z = one.latents if label == "auto-decoder" else one.model.locations(one.latents)
        given = torch.as_tensor(latents)
        assert given.shape == z.shape, f"{label}: the map is of latents of shape {tuple(given.shape)}"
        assert torch.equal(given.cpu(), z.detach().cpu()), (
            f"{label}: the map is not of the learned latents, in their order"
        )


@torch.no_grad()
def check_pictures(hand_in: HandIn) -> None:
    """Five decoded draws, five test images, and seven images from one class to another, both ends among them."""
    start, end = torch.randn(2, 6)
    path = hand_in.auto.interpolate(start, end)
    assert path.shape == (7, 6), f"{len(path)} points on a path, not 7"
    assert torch.allclose(path[[0, -1]], torch.stack([start, end])), "a path leaves out its ends"
    assert torch.allclose(path.diff(dim=0), ((end - start) / 6).expand(6, 6), atol=1e-5), "steps of a path differ"
    kinds = {"prior": 5, "test": 5, "interpolation": 7}
    for label, one in hand_in.models.items():
        name = "ad" if label == "auto-decoder" else f"vad_{label.removeprefix('VAD ')}"
        for kind, count in kinds.items():
            images = hand_in.watched.pictures.get(f"{name}_{kind}")
            assert images is not None, f"{label}: no picture {name}_{kind}"
            wanted = (count, 1, SIDE, SIDE)
            assert tuple(images.shape) == wanted, f"{name}_{kind}: shape {tuple(images.shape)}, not {wanted}"
        decoded = one.model.eval()(one.test_latents).cpu()
        row = hand_in.watched.pictures[f"{name}_interpolation"][:, 0]
        assert torch.allclose(hand_in.watched.pictures[f"{name}_test"][:, 0], decoded[:5], atol=0.05), (
            f"{name}_test differs"
        )
        ends = [int((decoded - row[k]).square().flatten(1).sum(1).argmin()) for k in (0, -1)]
        gaps = [(decoded[i] - row[k]).abs().max().item() for i, k in zip(ends, (0, -1), strict=True)]
        assert max(gaps) < 0.05, f"{label}: the row's ends are not decoded test images (off by {max(gaps):.1f})"
        classes = [int(hand_in.test_set.y[i]) for i in ends]
        assert classes[0] != classes[1], f"{label}: both ends of the row are of class {classes[0]}"


Check = Callable[[HandIn], None]

CHECKS: dict[str, tuple[Check, ...]] = {
    "2 shape and range of decoded images": (check_form,),
    "3 one leaf tensor; draws in training mode, location in eval mode": (check_rows, check_modes),
    "4 vectors decoded directly, posteriors turned into vectors": (check_decoding,),
    "5 scoring leaves weights and buffers bit-identical": (check_scoring,),
    "fault: reversed or wrong divergence": (check_divergence,),
    "fault: unconstrained scales": (check_legal,),
    "fault: samples from another law than the prior": (check_prior,),
    "fault: an encoder in the model": (check_no_encoder,),
    "fault: latents by place in the batch": (check_by_sample,),
    "fault: labels used in training": (check_labels,),
    "fault: batch norm or dropout while scoring": (check_steady,),
    "fault: collapse to the mean image": (check_alive,),
    "fault: a map of draws or with wrong labels": (check_map,),
    "fault: paths without ends or with wrong steps": (check_pictures,),
}
"""Point of the contract, by its number, or fault seen elsewhere → the checks that show it."""


def examine(hand_in: HandIn) -> list[dict[str, str]]:
    """A row per check: the point, the check's name, what it shows, and what is wrong, empty if nothing is."""
    found = []
    for point, checks in CHECKS.items():
        for check in checks:
            try:
                check(hand_in)
                wrong = ""
            except Exception as error:  # whatever a foreign program raises is a finding
                wrong = f"{error}" if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            shows = " ".join((check.__doc__ or "").split())
            found.append({"point": point, "check": check.__name__, "shows": shows, "wrong": wrong})
    return found
