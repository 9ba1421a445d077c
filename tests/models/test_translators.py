"""Both kinds of translators: what filling and later words may change (nothing), and teacher forcing."""

import pytest
import torch

from coursework.data.text import EOS, PAD
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.transformer import TransformerTranslator

SOURCE = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD]])
TARGET = torch.tensor([[4, 5, 6, EOS], [7, EOS, PAD, PAD]])
NAMES = ["gru", "attention", "places", "pre", "post"]


def translator(name, **more):
    torch.manual_seed(6)
    if name in ("pre", "post"):
        return TransformerTranslator(11, 9, 8, 2, 2, 16, name, max_length=12, **more).eval()
    model = RecurrentTranslator(11, 9, 5, 6, attention=name != "gru", places=12 if name == "places" else 0, **more)
    return model.eval()


def logits_and_maps(model, source, target):
    return model.maps(source, target) if isinstance(model, TransformerTranslator) else model(source, target)


def wider(numbers, columns):
    return torch.nn.functional.pad(numbers, (0, columns), value=PAD)


@pytest.mark.parametrize("name", NAMES)
def test_filling_changes_nothing(name):
    model = translator(name)
    logits, maps = logits_and_maps(model, SOURCE, TARGET)
    more, wide = logits_and_maps(model, wider(SOURCE, 3), wider(TARGET, 2))
    torch.testing.assert_close(more[:, :4], logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(wide[..., :4, :5], maps, atol=1e-6, rtol=0)
    assert (wide[..., 5:] == 0).all()
    alone, _ = logits_and_maps(model, SOURCE[1:, :3], TARGET[1:, :2])
    torch.testing.assert_close(alone[0], logits[1, :2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_later_words_change_nothing_and_source_words_do(name):
    model = translator(name)
    logits, maps = logits_and_maps(model, SOURCE, TARGET)
    later = TARGET.clone()
    later[0, 2] = 8
    changed, _ = logits_and_maps(model, SOURCE, later)
    torch.testing.assert_close(changed[0, :3], logits[0, :3], atol=1e-6, rtol=0)
    assert (changed[0, 3] - logits[0, 3]).abs().max() > 1e-4
    other = SOURCE.clone()
    other[0, 3] = 10
    assert (logits_and_maps(model, other, TARGET)[0][0] - logits[0]).abs().amin(0).max() > 1e-5
    if maps.shape[1]:
        torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))


@pytest.mark.parametrize("name", ["pre", "post"])
def test_the_fused_path_and_the_path_with_weights_agree(name):
    model = translator(name).double()
    torch.testing.assert_close(model(SOURCE, TARGET), model.maps(SOURCE, TARGET)[0], atol=1e-6, rtol=0)


def test_shared_vocabulary_is_one_table():
    torch.manual_seed(7)
    model = TransformerTranslator(9, 9, 8, 1, 2, 16, max_length=12, shared=True)
    assert model.out.weight is model.target.embedding.weight is model.source.embedding.weight
    with pytest.raises(ValueError, match="num_source = 9, num_target = 8"):
        TransformerTranslator(9, 8, 8, 1, 2, 16, shared=True)


def test_teacher_forcing_at_all_some_and_no_steps():
    model = translator("attention")
    told, _ = model(SOURCE, TARGET)
    torch.testing.assert_close(model(SOURCE, TARGET, torch.ones_like(TARGET, dtype=torch.bool))[0], told)
    free, _ = model(SOURCE, TARGET, torch.zeros_like(TARGET, dtype=torch.bool))
    own = torch.cat([free.argmax(-1)[:, :-1], TARGET[:, :1]], 1)
    torch.testing.assert_close(model(SOURCE, own)[0], free)
    some = torch.tensor([[True, False, True, False], [True, True, False, False]])
    mixed, _ = model(SOURCE, TARGET, some)
    before = mixed.argmax(-1)[:, :-1]
    read = torch.where(some[:, 1:], TARGET[:, :-1], before)
    torch.testing.assert_close(model(SOURCE, torch.cat([read, TARGET[:, :1]], 1))[0], mixed)


def test_without_attention_one_summary_serves_every_step():
    model = translator("gru")
    _, memory, _, _ = model.begin(SOURCE)
    assert memory.shape == (2, 1, 12)
    packed = model.encoder(model.source(SOURCE[:1]))[0][0]
    torch.testing.assert_close(memory[0, 0], torch.cat([packed[-1, :6], packed[0, 6:]]), atol=1e-6, rtol=0)
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in translator("attention").parameters())


def test_too_many_words_for_the_places():
    for name in ("places", "pre"):
        with pytest.raises(ValueError, match="13 words"):
            logits_and_maps(translator(name), torch.full((1, 13), 4), TARGET[:1])
