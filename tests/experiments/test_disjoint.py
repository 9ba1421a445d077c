"""Two parallel segments: what discriminators and critics say of the distance, and which generator arrives."""

import math

import numpy as np
import pytest
import torch

from coursework.derivations import adversarial_evidence as evidence
from coursework.experiments import configure
from coursework.experiments.disjoint import Line, Members, build
from coursework.figures.adversarial import distances_and_journeys, values_and_slopes
from coursework.runs import run


def test_members_are_separate_networks():
    torch.manual_seed(0)
    nets, x = Members(3, 5), torch.randn(3, 4, 2)
    for member in range(3):
        hidden = x[member]
        for layer, (weight, bias) in enumerate(zip(nets.weights, nets.biases, strict=True)):
            hidden = hidden @ weight[member] + bias[member]
            hidden = torch.where(hidden > 0, hidden, 0.2 * hidden) if layer < 2 else hidden
        torch.testing.assert_close(nets(x)[member], hidden[:, 0])
    moved = x.clone()
    moved[1] += 1
    assert torch.equal(nets(moved)[[0, 2]], nets(x)[[0, 2]])


def test_the_generator_is_a_segment_at_theta():
    points = Line((2.0, -1.0))(torch.tensor([[0.0, 1.0], [0.25, 0.5]]))
    assert points.tolist() == [[[2.0, 0.0], [2.0, 1.0]], [[-1.0, 0.25], [-1.0, 0.5]]]


def test_a_member_trains_as_if_it_were_alone():
    both = build(configure("disjoint", "fast", game="clipping", distances=(1.0, 3.0)))
    task = both.players["discriminator"]
    loss, _ = task.loss(both.batches(0))
    loss.backward()
    judge = both.modules["discriminator"]
    real, fake = both.batches(0)
    points = torch.stack([torch.zeros_like(real), real], -1), both.modules["generator"](fake).detach()
    alone = judge(points[1])[1].mean() - judge(points[0])[1].mean()
    (expected,) = torch.autograd.grad(alone, judge.weights[0])
    torch.testing.assert_close(judge.weights[0].grad[1], expected[1])


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEWORK_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield {
            game: run(configure("disjoint", "cpu", game=game, distances=(0.5, 4.0), num_steps=250))
            for game in ("saturating", "clipping", "penalty")
        }


def test_the_discriminator_says_log_two_and_critics_the_distance(standing):
    found = evidence.values(standing)
    np.testing.assert_allclose(found["discriminator: JS"], math.log(2), atol=0.02)
    np.testing.assert_allclose(found["critic, penalty"], [0.5 * 1.025, 4 * 1.2], rtol=0.06)
    assert found["critic, clipping"][1] > found["critic, clipping"][0] > 0
    assert set(evidence.conclusions(standing).values()) == {True}


def test_slopes_are_those_of_the_losses_by_finite_differences(standing):
    modules = standing["penalty"].modules()
    u = ((torch.arange(512) + 0.5) / 512).expand(2, -1)

    def score(shift):
        points = modules["generator"](u).detach()
        return -modules["discriminator"](points + torch.tensor([shift, 0.0])).mean(1)

    differences = (score(1e-2) - score(-1e-2)) / 2e-2
    torch.testing.assert_close(standing["penalty"].arrays["slope penalty"], differences.detach(), rtol=0.02, atol=1e-3)
    pull = evidence.slopes(standing)
    assert (pull["GAN, saturating"] < 1e-3).all()
    assert (pull["GAN, non-saturating"] > 1).all()


def test_clipped_weights_stay_within_their_bounds(standing):
    judge = standing["clipping"].modules()["discriminator"]
    assert max(float(parameter.detach().abs().max()) for parameter in judge.parameters()) <= 0.1 + 1e-7


def test_only_the_saturating_generator_stays_away(runs_folder):
    found = {
        game: run(configure("disjoint", "fast", game=game, moving=True, distances=(2.0,), num_steps=400))
        for game in ("saturating", "penalty")
    }
    ends = {game: abs(float(journey.arrays["theta"][0])) for game, journey in found.items()}
    assert ends["saturating"] > 1.5
    assert ends["penalty"] < 0.2
    assert evidence.arrived([found]) == {"saturating": False, "penalty": True}
    table = evidence.arrivals([found, found]).set_index("game")["θ in the end"]
    assert [abs(float(end)) for end in table["saturating"].split(", ")] == pytest.approx(
        [ends["saturating"]] * 2, abs=0.01
    )


def test_figures_draw_what_they_are_given(standing):
    figure = values_and_slopes(evidence.thetas(standing), evidence.values(standing), evidence.slopes(standing))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["critic, penalty"].get_ydata(), evidence.values(standing)["critic, penalty"])
    assert [len(axis.lines) for axis in figure.axes] == [4, 4]
    shifts = np.linspace(0, 3, 4)
    figure = distances_and_journeys(shifts, evidence.gaussian_distances(shifts), {"a": ([0.0, 1.0], [4.0, 2.0])})
    drawn = {line.get_label(): line.get_ydata() for axis in figure.axes for line in axis.lines}
    np.testing.assert_allclose(drawn["KL"], shifts**2 / 2)
    np.testing.assert_allclose(drawn["W1"], shifts)
    assert list(drawn["a"]) == [4.0, 2.0]
