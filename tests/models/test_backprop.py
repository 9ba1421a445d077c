"""Back-propagation by hand against autograd and against differences of values, for nets of any depth."""

import pytest
import torch
from torch import nn

from coursework.derivations import adversarial_backprop_evidence as evidence
from coursework.models.backprop import discriminator_gradients, generator_gradients, layers_of
from coursework.objectives.adversarial import gan_discriminator_loss, gan_generator_loss


@pytest.mark.parametrize("depths", evidence.DEPTHS)
@pytest.mark.parametrize("seed", range(4))
def test_every_gradient_is_autograds(depths, seed):
    for name, difference in evidence.gradient_differences(depths, seed).items():
        assert difference < 1e-6, name


def test_a_difference_would_be_seen():
    ones, other = [torch.ones(3), torch.ones(2)], [torch.ones(3), torch.tensor([1.0, 1.001])]
    assert evidence.largest_difference(ones, other) == pytest.approx(0.001, rel=1e-2)


def test_gradients_are_slopes_of_values():
    """One weight of each net is moved, and the game's own numbers are compared: no autograd on either side."""
    generator, judge, x, z = evidence.random_game((2, 3), 5)
    d, g = layers_of(judge), layers_of(generator)
    with torch.no_grad():
        found = discriminator_gradients(d, x, generator(z), smooth=0.9).weights[0][1, 0]
        sides = []
        for shift in (1e-6, -2e-6):
            judge[0].weight[1, 0] += shift
            sides.append(-gan_discriminator_loss(judge(x), judge(generator(z)), smooth=0.9)[0])
        judge[0].weight[1, 0] += 1e-6
        assert (sides[0] - sides[1]).item() / 2e-6 == pytest.approx(found.item(), rel=1e-5)
        for saturating in (True, False):
            found = generator_gradients(g, d, z, saturating=saturating).weights[1][0, 1]
            sides = []
            for shift in (1e-6, -2e-6):
                generator[2].weight[0, 1] += shift
                sides.append(gan_generator_loss(judge(generator(z)), saturating=saturating)[0])
            generator[2].weight[0, 1] += 1e-6
            assert (sides[0] - sides[1]).item() / 2e-6 == pytest.approx(found.item(), rel=1e-5)


def test_the_gradient_goes_on_to_the_latents():
    generator, judge, _, z = evidence.random_game((3, 2), 1)
    z.requires_grad_()
    loss = gan_generator_loss(judge(generator(z)), saturating=True)[0]
    (expected,) = torch.autograd.grad(loss, z)
    found = generator_gradients(layers_of(generator), layers_of(judge), z.detach()).input
    torch.testing.assert_close(found, expected)


def test_one_step_up_and_one_down():
    for seed in range(3):
        steps = evidence.small_steps(seed)
        assert steps["D"][1] > steps["D"][0]
        for name in ("G, saturating", "G, non-saturating"):
            assert steps[name][1] < steps[name][0]


def test_both_losses_of_the_generator_differ_at_the_logit_alone():
    generator, judge, _, z = evidence.random_game((3, 5), 2)
    one = z[:1]
    d, g = layers_of(judge), layers_of(generator)
    probability = judge(generator(one)).sigmoid().item()
    saturating = generator_gradients(g, d, one, saturating=True).weights[0]
    other = generator_gradients(g, d, one, saturating=False).weights[0]
    torch.testing.assert_close(saturating, other * probability / (1 - probability))


def test_a_layer_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="BatchNorm1d: only linear maps"):
        layers_of(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))


def test_the_tables_say_what_was_found():
    table = evidence.check_table(0, instances=2)
    assert (table[["D", "G, saturating", "G, non-saturating"]] < evidence.TOLERANCE).all().all()
    shapes = evidence.shapes_table(100, 64).set_index("layer")
    assert list(shapes.index) == ["D 3", "D 2", "D 1", "G 5", "G 4", "G 3", "G 2", "G 1"]
    assert shapes.loc["G 5", "W"] == "784 × 1024"
    assert shapes.loc["D 1", "error passed on"] == "(64 × 512) (512 × 784)"
