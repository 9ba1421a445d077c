"""The checks of the contract: the programs pass them all, and each finds the fault that it is there for."""

import copy
import types

import pytest
import torch
from torch import nn
from torch.distributions import constraints, kl_divergence

from coursework.report.handin import auto_decoder, contract, course_evaluate, course_utils, training
from coursework.report.handin.variational_auto_decoder import Family, Normal
from coursework.report.handin.watch import watching

N = "VAD normal"


def test_the_programs_pass(finished):
    rows = contract.examine(finished)
    assert {row["check"] for row in rows} == {name for name in vars(contract) if name.startswith("check_")}
    assert [row for row in rows if row["wrong"]] == []


def test_whatever_a_program_raises_is_a_finding(finished):
    broken = with_model(finished, lambda model: setattr(model, "net", None))
    rows = {row["check"]: row["wrong"] for row in contract.examine(broken)}
    assert rows["check_form"].startswith("TypeError")
    assert rows["check_labels"] == ""


def with_model(hand_in, change, label="auto-decoder"):
    """The hand-in with one model replaced by a changed copy; the trained one is left alone."""
    out = copy.copy(hand_in)
    one = hand_in.models[label]
    model = copy.deepcopy(one.model)
    change(model)
    if label == "auto-decoder":
        out.outcome = one._replace(model=model)
    else:
        out.outcomes = hand_in.outcomes | {label.removeprefix("VAD "): one._replace(model=model)}
    return out


def method(name, function):
    """A change of a model: its method `name` becomes function(old method, *arguments)."""

    def change(model):
        old = getattr(model, name)
        setattr(model, name, lambda *arguments: function(old, *arguments))

    return change


def with_outcome(hand_in, family=None, **changes):
    out = copy.copy(hand_in)
    if family is None:
        out.outcome = hand_in.outcome._replace(**changes)
    else:
        out.outcomes = hand_in.outcomes | {family: hand_in.outcomes[family]._replace(**changes)}
    return out


@pytest.mark.parametrize(
    ("decoded", "said"),
    [
        (lambda old, z: old(z)[:, None], "shape"),
        (lambda old, z: old(z) / 255, "largest pixel"),
        (lambda old, z: old(z).double(), "float64"),
        (lambda old, z: 1.5 * old(z), "largest pixel"),
        (lambda old, z: old(z) - 1, "a pixel of -1"),
        (lambda old, z: old(z) / 0, "not finite"),
    ],
)
def test_images_of_another_form(finished, decoded, said):
    with pytest.raises(AssertionError, match=said):
        contract.check_form(with_model(finished, method("forward", decoded)))


def test_a_channel_axis_never_leaves_the_program(finished):
    model = copy.deepcopy(finished.outcome.model)
    net = model.net
    model.net = nn.Sequential(net, nn.Unflatten(1, (1, 28)))
    with pytest.raises(AssertionError, match=r"not \(B, 28, 28\)"):
        model(finished.outcome.latents[:3])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda rows: rows * 1, "no leaf"),
        (lambda rows: rows.detach(), "no gradient"),
        (lambda rows: nn.Parameter(rows.detach()[:, 0]), "shape"),
        (lambda rows: nn.Parameter(rows.detach()[:5]), "shape"),
    ],
)
def test_latents_that_are_no_table(finished, table, said):
    rows = finished.outcomes["normal"].latents
    with pytest.raises(AssertionError, match=said):
        contract.check_rows(with_outcome(finished, "normal", latents=table(rows)))


def test_a_posterior_whose_mode_is_ignored(finished):
    always = with_model(
        finished, lambda m: setattr(m, "forward", lambda rows: m.decode(m.posterior(rows).rsample())), N
    )
    with pytest.raises(AssertionError, match="eval mode differ"):
        contract.check_modes(always)
    never = with_model(finished, lambda m: setattr(m, "forward", lambda rows: m.decode(m.locations(rows))), N)
    with pytest.raises(AssertionError, match="nothing is drawn"):
        contract.check_modes(never)

    def aside(model):
        posterior = model.posterior
        model.forward = lambda rows: model.decode(
            posterior(rows).rsample() if model.training else posterior(rows).mean + 1
        )

    other = with_model(finished, aside, N)
    with pytest.raises(AssertionError, match="location"):
        contract.check_modes(other)


def test_locations_that_are_no_vectors(finished):
    with pytest.raises(AssertionError, match="locations of shape"):
        contract.check_decoding(with_model(finished, method("locations", lambda old, rows: rows), N))


class Normed(nn.Module):
    """A net with batch norm or dropout behind it."""

    def __init__(self, net, layer):
        super().__init__()
        self.net, self.layer = net, layer

    def forward(self, z):
        return self.layer(self.net(z)[:, None])[:, 0]


def test_batch_norm_and_dropout(finished):
    norm = with_model(finished, lambda m: setattr(m, "net", Normed(m.net, nn.BatchNorm2d(1))))
    for check, said in ((contract.check_scoring, "weights or buffers"), (contract.check_steady, "decoding depends")):
        with pytest.raises(AssertionError, match=said):
            check(norm)
    drop = with_model(finished, lambda m: setattr(m, "net", Normed(m.net, nn.Dropout(0.1))))
    with pytest.raises(AssertionError, match="decoding depends"):
        contract.check_steady(drop)


def test_a_decoder_that_learns_from_the_test_images(finished, csv, tmp_path, small, monkeypatch):
    def fit_all(model, loader, latents, settings):
        adam = torch.optim.Adam([latents, *model.parameters()], lr=0.01)
        return auto_decoder.score_as_it_is(model, loader, latents) + 0 * training.evaluate_model(
            model, loader, adam, latents, 1, latents.device
        )

    monkeypatch.setattr(auto_decoder, "fit_by_the_course", fit_all)
    monkeypatch.setattr(course_utils, "plot_tsne", lambda *arguments: None)
    with watching(course_utils, course_evaluate, [auto_decoder, training]) as watched:
        auto_decoder.main(["--data", str(csv), "--out", str(tmp_path), *small])
    changed = copy.copy(finished)
    changed.watched = watched
    with pytest.raises(AssertionError, match="holds more than latents"):
        contract.check_scoring(changed)


def test_an_encoder(finished):
    changed = with_model(finished, lambda m: m.add_module("encoder", nn.Linear(784, 32)), N)
    with pytest.raises(AssertionError, match=r"encoder.weight, encoder.bias play no part"):
        contract.check_no_encoder(changed)


def test_divergences_that_are_wrong(finished):
    def reversed_loss(model):
        model.loss = lambda rows, _decoder, _x: kl_divergence(model.prior(), model.posterior(rows)).mean()

    for label in (N, "VAD uniform"):
        with pytest.raises((AssertionError, NotImplementedError), match="the loss holds a divergence"):
            contract.check_divergence(with_model(finished, reversed_loss, label))
        halved = method("loss", lambda old, rows, decoder, x: 0.5 * old(rows, decoder, x))
        with pytest.raises(AssertionError, match="the loss holds a divergence"):
            contract.check_divergence(with_model(finished, halved, label))


def test_scales_without_a_bound(finished):
    def free(model):
        model.family = Family(Normal, prior=(0.0, 1.0), domains=(constraints.real, constraints.real))

    with pytest.raises((AssertionError, ValueError), match="scale"):
        contract.check_legal(with_model(finished, free, N))

    def exponential(model):
        model.family = Family(Normal, prior=(0.0, 1.0), domains=(constraints.real, constraints.positive))
        model.posterior = lambda rows: types.SimpleNamespace(
            stddev=(rows[:, 1] - 60).exp() * 0, rsample=lambda: rows[:, 0]
        )

    with pytest.raises(AssertionError, match="not positive"):
        contract.check_legal(with_model(finished, exponential, N))


@pytest.mark.parametrize(
    "draw", [lambda old, n: 1.1 * old(n), lambda old, n: old(n) + 0.1, lambda old, n: old(n).abs()]
)
@pytest.mark.parametrize("label", [N, "VAD uniform"])
def test_samples_of_another_law(finished, draw, label):
    with pytest.raises(AssertionError, match="do not follow the prior"):
        contract.check_prior(with_model(finished, method("sample_prior", draw), label))


def test_latents_of_other_images(finished):
    rolled = nn.Parameter(finished.outcome.latents.detach().roll(1, 0))
    with pytest.raises(AssertionError, match="decoded best"):
        contract.check_by_sample(with_outcome(finished, latents=rolled))


def test_labels_that_are_read(finished, csv):
    changed = copy.copy(finished)
    with watching(course_utils, course_evaluate, []) as changed.watched:
        train_set = course_utils.create_dataloaders(csv)[0]
        contract.check_labels(changed)
        assert len(train_set.y) == len(train_set)
    with pytest.raises(AssertionError, match="labels are read"):
        contract.check_labels(changed)


def test_a_collapsed_model(finished):
    mean = finished.train_set.X.float().mean(0)
    collapsed = with_model(finished, method("forward", lambda old, z: 0 * old(z) + mean))
    with pytest.raises(AssertionError, match="the mean image"):
        contract.check_alive(collapsed)


def test_maps_of_the_wrong_thing(finished):
    latents = finished.outcome.latents.detach()
    posterior = finished.outcomes["normal"].model.posterior(finished.outcomes["normal"].latents)
    for place, wrong, said in (
        (0, latents.flip(0), "order"),
        (1, posterior.sample(), "learned"),
        (0, latents[:9], "shape"),
    ):
        changed = copy.copy(finished)
        changed.watched = copy.copy(finished.watched)
        changed.watched.maps = list(finished.watched.maps)
        changed.watched.maps[place] = (changed.watched.maps[place][0], wrong)
        with pytest.raises(AssertionError, match=said):
            contract.check_map(changed)
    changed.watched.maps = [(finished.test_set, latents), *finished.watched.maps[1:]]
    with pytest.raises(AssertionError, match="another data set"):
        contract.check_map(changed)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (lambda a, b: training.interpolate(a, b, 3), "5 points"),
        (lambda a, b: training.interpolate(a, b, 7)[1:-1], "leaves out its ends"),
        (lambda a, b: a + torch.linspace(0, 1, 7)[:, None] ** 2 * (b - a), "steps"),
    ],
)
def test_paths_that_are_wrong(finished, path, said):
    changed = copy.copy(finished)
    changed.auto = types.SimpleNamespace(interpolate=path)
    with pytest.raises(AssertionError, match=said):
        contract.check_pictures(changed)


def test_pictures_that_are_wrong(finished):
    def picture(name, change):
        changed = copy.copy(finished)
        changed.watched = copy.copy(finished.watched)
        changed.watched.pictures = dict(finished.watched.pictures)
        changed.watched.pictures[name] = change(changed.watched.pictures[name])
        return changed

    wrong = [
        ("ad_prior", lambda images: images[:4], "shape"),
        ("vad_normal_test", lambda images: images.flip(0), "differs"),
        ("ad_interpolation", lambda images: images + 20, "not decoded test images"),
        ("vad_uniform_interpolation", lambda images: images[[0, 1, 2, 3, 2, 1, 0]], "of class"),
    ]
    for name, change, said in wrong:
        with pytest.raises(AssertionError, match=said):
            contract.check_pictures(picture(name, change))
