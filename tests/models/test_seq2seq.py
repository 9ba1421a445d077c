"""The translator: attention against its formula, filling that changes nothing, decoding that ends."""

import pytest
import torch

from coursework.data.text import BOS, EOS, PAD
from coursework.models.seq2seq import AdditiveAttention, Translator, sentence_nll


@pytest.fixture
def model():
    return Translator(num_source=11, num_target=9, embed_dim=5, dim=6).double().eval()


def sentences():
    source = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD]])
    target = torch.tensor([[4, 5, 6, EOS], [7, EOS, PAD, PAD]])
    return source, target


def test_weights_against_their_formula_word_by_word():
    attention = AdditiveAttention(3, 4, 5).double()
    query, states = torch.randn(2, 3).double(), torch.randn(2, 6, 4).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    context, weights = attention(query, states, attention.key(states), mask)
    for b, length in enumerate((6, 4)):
        scores = torch.stack(
            [
                attention.score(torch.tanh(attention.query(query[b]) + attention.key(states[b, i])))[0]
                for i in range(length)
            ]
        )
        expected = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(weights[b, :length], expected)
        torch.testing.assert_close(context[b], sum(a * states[b, i] for i, a in enumerate(expected)))
    assert (weights[1, 4:] == 0).all()


def test_rows_of_the_map_add_up_to_one(model):
    maps = model(*sentences())[1]
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 4).double())
    assert (maps[1, :, 3:] == 0).all()


def test_filling_changes_nothing(model):
    source, target = sentences()
    logits, maps = model(source, target)
    alone, map_alone = model(source[1:, :3], target[1:, :2])
    torch.testing.assert_close(logits[1:, :2], alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(maps[1:, :2, :3], map_alone, rtol=0, atol=1e-12)
    wide = torch.nn.functional.pad(source, (0, 4), value=PAD)
    torch.testing.assert_close(model(wide, target)[0], logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        sentence_nll(logits, target)[1:], sentence_nll(alone, target[1:, :2]), rtol=0, atol=1e-12
    )


def test_the_loss_counts_the_end_and_not_the_filling(model):
    source, target = sentences()
    logits = model(source, target)[0].log_softmax(-1)
    by_hand = (
        [-(logits[0, t, w]) for t, w in enumerate((4, 5, 6, EOS))],
        [-(logits[1, t, w]) for t, w in enumerate((7, EOS))],
    )
    torch.testing.assert_close(sentence_nll(logits, target), torch.stack([sum(terms) for terms in by_hand]))


def test_a_later_target_word_changes_no_earlier_logit(model):
    source, target = sentences()
    changed = target.clone()
    changed[0, 2] = 8
    before, after = model(source, target)[0], model(source, changed)[0]
    assert torch.equal(before[0, :3], after[0, :3])
    assert not torch.allclose(before[0, 3], after[0, 3])


def test_greedy_writes_what_is_likeliest_given_what_it_wrote(model):
    source, _ = sentences()
    numbers, maps = model.greedy(source, 7)
    logits, forced = model(source, numbers)
    for row, guess in zip(numbers, logits.argmax(-1), strict=True):
        length = row.tolist().index(EOS) + 1 if EOS in row else len(row)
        assert torch.equal(row[:length], guess[:length])
        assert (row[length:] == PAD).all()
    torch.testing.assert_close(maps[0, :2], forced[0, :2])
    assert BOS not in numbers or numbers.shape[1] <= 7


def test_greedy_stops_when_all_have_ended(model):
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.zero_()
        model.out.bias[EOS] = 1
    numbers, _ = model.greedy(sentences()[0], 50)
    assert numbers.tolist() == [[EOS], [EOS]]


def test_every_weight_is_trained(model):
    source, target = sentences()
    sentence_nll(model(source, target)[0], target).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
