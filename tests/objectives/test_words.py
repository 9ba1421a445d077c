"""What the loss of a model that writes words counts."""

import torch

from coursework.data.text import EOS, PAD
from coursework.objectives.words import word_loss


def test_loss_counts_words_and_the_end_and_no_filling():
    logits = torch.randn(2, 4, 6)
    target = torch.tensor([[4, 5, 4, EOS], [3, EOS, PAD, PAD]])
    log_p = logits.log_softmax(-1)
    picked = log_p.gather(-1, target[..., None])[..., 0]
    words, ends = [(0, 0), (0, 1), (0, 2), (1, 0)], [(0, 3), (1, 1)]
    mean, each = word_loss(logits, target, end=True, smoothing=0.0)
    torch.testing.assert_close(mean, -torch.stack([picked[at] for at in words + ends]).mean())
    torch.testing.assert_close(each, -torch.stack([picked[0].sum(), picked[1, :2].sum()]))
    mean, each = word_loss(logits, target, end=False, smoothing=0.0)
    torch.testing.assert_close(mean, -torch.stack([picked[at] for at in words]).mean())
    torch.testing.assert_close(each, -torch.stack([picked[0, :3].sum(), picked[1, 0]]))
    smooth, each = word_loss(logits, target, end=True, smoothing=0.3)
    expected = torch.stack([0.7 * picked[at] + 0.3 * log_p[at].mean() for at in words + ends]).mean()
    torch.testing.assert_close(smooth, -expected)
    torch.testing.assert_close(each, -torch.stack([picked[0].sum(), picked[1, :2].sum()]))


def test_the_loss_and_its_gradient_are_those_of_torch():
    logits = torch.randn(3, 5, 7, dtype=torch.double, requires_grad=True)
    target = torch.tensor([[4, 5, 6, 4, EOS], [3, 6, EOS, PAD, PAD], [EOS, PAD, PAD, PAD, PAD]])
    mean, _ = word_loss(logits, target, end=True, smoothing=0.1)
    other = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=PAD, label_smoothing=0.1
    )
    torch.testing.assert_close(mean, other)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (mean, other)))
