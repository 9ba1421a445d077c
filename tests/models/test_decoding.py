"""Greedy and beam decoding against enumeration of everything that a small model can write."""

import itertools

import pytest
import torch

from coursework.data.text import BOS, EOS, PAD
from coursework.models.decoding import beam, greedy
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.transformer import TransformerTranslator

SOURCE = torch.tensor([[4, 5, 6, EOS], [8, 9, EOS, PAD], [7, EOS, PAD, PAD]])


def models():
    torch.manual_seed(8)
    gru = {"num_source": 11, "num_target": 6, "embed_dim": 5, "dim": 6}
    made = {
        "gru": RecurrentTranslator(**gru, attention=False),
        "attention": RecurrentTranslator(**gru, places=6),
        "transformer": TransformerTranslator(11, 6, 8, 2, 2, 16, max_length=9),
    }
    for model in made.values():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.8)
    return {name: model.eval() for name, model in made.items()}


@pytest.mark.parametrize("name", ["gru", "attention", "transformer"])
def test_one_beam_is_greedy(name):
    model = models()[name]
    words, maps = greedy(model, SOURCE, 7)
    assert torch.equal(beam(model, SOURCE, 7, 1), words)
    assert maps.shape == (3, {"gru": 0, "attention": 1, "transformer": 4}[name], words.shape[1], 4)


@pytest.mark.parametrize("name", ["gru", "attention", "transformer"])
def test_steps_agree_with_all_words_at_once(name):
    model = models()[name]
    target = torch.tensor([[4, 5, 4, EOS], [5, 5, EOS, PAD], [3, EOS, PAD, PAD]])
    logits, maps = model.maps(SOURCE, target) if name == "transformer" else model(SOURCE, target)
    state, word = model.begin(SOURCE), torch.full((3,), BOS)
    for step in range(2):
        now, state, weights = model.advance(state, word)
        torch.testing.assert_close(now, logits[:, step], atol=1e-5, rtol=0)
        torch.testing.assert_close(weights, maps[:, :, step], atol=1e-6, rtol=0)
        word = target[:, step]


def test_greedy_takes_the_likeliest_word_and_ends_once():
    model = models()["attention"]
    words, _ = greedy(model, SOURCE, 7)
    logits, _ = model(SOURCE, words.where(words != PAD, EOS))
    logits[..., [PAD, BOS]] = -torch.inf
    for sentence, row in zip(words, logits.argmax(-1), strict=True):
        length = int((sentence != PAD).sum())
        assert torch.equal(sentence[:length], row[:length])
        assert (sentence[length:] == PAD).all()
        assert (sentence[: length - 1] != EOS).all()
        assert sentence[length - 1] == EOS or length == 7


@pytest.mark.parametrize(("name", "penalty"), [("attention", 0.0), ("attention", 1.0), ("transformer", 0.7)])
def test_enough_beams_find_the_best_of_everything(name, penalty):
    model, longest = models()[name], 3
    written = beam(model, SOURCE[:1], longest, 300, penalty)
    best = None
    for length in range(1, longest + 1):
        for words in itertools.product(range(6), repeat=length):
            ended = words[-1] == EOS
            if EOS in words[:-1] or (not ended and length < longest) or PAD in words or BOS in words:
                continue
            target = torch.tensor([words])
            logits = model(SOURCE[:1], target)
            logits = logits if name == "transformer" else logits[0]
            score = logits.log_softmax(-1)[0, range(length), list(words)].sum().item() / length**penalty
            best = max(best or (score, words), (score, words))
    found = tuple(word for word in written[0].tolist() if word != PAD)
    assert found == best[1]


def test_no_beams_are_refused():
    with pytest.raises(ValueError, match="width = 0"):
        beam(models()["gru"], SOURCE, 4, 0)
