"""The programs against the package: the same models, losses and training; and what they refuse."""

import math
import types

import pytest
import torch

from coursework.conditionals import GaussianDecoder
from coursework.distributions.families import FAMILIES as OURS
from coursework.experiments import ad
from coursework.objectives.elbo import elbo
from coursework.report.handin import auto_decoder, training
from coursework.report.handin import variational_auto_decoder as variational
from coursework.report.handin.training import Settings
from coursework.training.loop import fit

SMALL = Settings(latent_dim=6, channels=4, copies=1, epochs=3, batch_size=16)


def test_the_auto_decoder_trains_as_the_reports_does(images, monkeypatch):
    monkeypatch.setattr(
        "coursework.data.images.load", lambda *_, n: types.SimpleNamespace(images=images[:n], payload={})
    )
    config = ad.Config(num_train=30, num_test=10, latent_dim=6, channels=4, copies=1, epochs=3, batch_size=16)
    torch.manual_seed(0)
    task = ad.build(config)
    fit(task.players, task.batches, task.num_steps)
    torch.manual_seed(0)
    model, latents = auto_decoder.learn(images.long(), SMALL)
    for name, weight in task.modules["decoder"].net.state_dict().items():
        torch.testing.assert_close(model.net.state_dict()[name], weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(latents.detach(), task.modules["table"].locations()[:30], rtol=1e-3, atol=1e-3)
    assert model.net.leak == config.leak_end


def test_the_settings_are_the_reports():
    config, settings = ad.Config(), Settings()
    decoder, table = ("latent_dim", "channels", "rate"), ("latent_rate", "settle_steps")
    shared = (*decoder, *table, "copies", "strength", "epochs", "batch_size", "seed")
    assert {name: getattr(settings, name) for name in shared} == {name: getattr(config, name) for name in shared}
    assert settings.leak == (config.leak, config.leak_end)


@pytest.mark.parametrize("family", variational.FAMILIES)
def test_posterior_prior_and_loss_are_the_packages(family):
    torch.manual_seed(1)
    model = variational.VariationalAutoDecoder(SMALL, family)
    rows = model.new_latents(5).detach() + torch.randn(5, 2, 6)
    theirs, ours = model.posterior(rows), OURS[family](rows)
    torch.testing.assert_close(model.locations(rows), OURS[family].location(ours))
    torch.testing.assert_close(theirs.stddev, ours.stddev)
    z = OURS[family].prior(6).sample((7,))
    torch.testing.assert_close(model.prior().log_prob(z), OURS[family].prior(6).log_prob(z))
    x = torch.rand(5, 28, 28)
    torch.manual_seed(2)
    loss = model.loss(rows, model.net, x)
    torch.manual_seed(2)
    expected, _ = elbo(ours, GaussianDecoder(model.net, variational.PIXEL_SCALE), OURS[family].prior(6), x)
    constant = 784 * (math.log(variational.PIXEL_SCALE) + 0.5 * math.log(2 * math.pi))
    torch.testing.assert_close(loss, expected - constant, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("family", variational.FAMILIES)
def test_posteriors_start_as_the_packages(family):
    rows = variational.VariationalAutoDecoder(SMALL, family).new_latents(400).detach()
    torch.testing.assert_close(rows.mean((0, 2)), torch.tensor(OURS[family].standard), atol=2e-3, rtol=0)
    assert rows.std(0).mean() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("learn", [auto_decoder.learn, variational.learn])
def test_equal_seeds_give_equal_models_and_other_seeds_others(learn, images):
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(learn(images.long(), Settings(latent_dim=4, channels=2, copies=1, epochs=1, seed=seed))[1])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_pixels_stay_in_range_and_keep_a_gradient_beyond_it():
    images = torch.tensor([-0.2, 0.3, 1.7]).expand(28, 28, 3).permute(2, 0, 1).clone().requires_grad_()
    pixels = training.to_pixels(images)
    assert pixels.amin((1, 2)).tolist() == pytest.approx([0, 76.5, 255])
    pixels.sum().backward()
    assert images.grad.unique().tolist() == [255]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(5, 28, 28), "whole numbers"),
        (torch.full((5, 28, 28), 256), "0 to 256|256 to 256"),
        (torch.full((5, 28, 28), -1), "-1"),
        (torch.zeros(5, 1, 28, 28, dtype=torch.long), r"expected \(N, 28, 28\)"),
        (torch.zeros(1, 28, 28, dtype=torch.long), "2 or more"),
    ],
)
def test_images_that_cannot_be_trained_on(images, said):
    for learn in (auto_decoder.learn, variational.learn):
        with pytest.raises(ValueError, match=said):
            learn(images, SMALL)


def test_a_loss_that_is_not_finite_stops_the_training():
    net, rows = training.new_net(SMALL), torch.nn.Parameter(torch.zeros(4, 1, 6))
    images = torch.zeros(4, 28, 28, dtype=torch.uint8)
    with pytest.raises(FloatingPointError, match="step 0"):
        training.train(net, rows, images, lambda r, d, x: auto_decoder.squared_error(r, d, x) * math.nan, SMALL)


def test_a_collapsed_model_is_no_result():
    training.refuse_collapse(0.2, 0.3)
    for score in (0.3, 0.4, math.nan):
        with pytest.raises(RuntimeError, match="collapsed"):
            training.refuse_collapse(score, 0.3)


def test_the_mean_image_scores_what_the_course_says(finished):
    mean = finished.train_set.X.double().mean(0)
    parts = [(x - mean).square().sum().sqrt() / (784 * len(x)) for x in finished.test_set.X.double().split(64)]
    score = training.mean_image_score(finished.train_set.X, finished.test_loader)
    assert score == pytest.approx(sum(parts).item() / 2, rel=1e-5)


def test_two_classes():
    assert training.two_classes(torch.tensor([4, 4, 4, 2, 9])) == (0, 3)
    with pytest.raises(ValueError, match="one class"):
        training.two_classes(torch.tensor([4, 4]))


@pytest.mark.parametrize(
    "arguments",
    [["--epochs", "0"], ["--latent-dim", "-1"], ["--latent-dim", "785"], ["--copies", "-1"], ["--families", "cauchy"]],
)
def test_the_command_line_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        training.read_arguments("", arguments, ("normal",))
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err
