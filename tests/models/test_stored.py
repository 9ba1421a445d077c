"""A translator's weights are loaded with the vocabularies that they belong to, and with no others."""

import pytest
import torch
from safetensors.torch import save_file

from coursework.data.text import Vocabulary
from coursework.errors import CheckpointError
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.stored import VocabularyMark, load_translator

ENGLISH, FRENCH = (Vocabulary.of([words]) for words in (("a", "dog", "runs"), ("un", "chien", "court")))


@pytest.fixture
def stored(tmp_path):
    model = RecurrentTranslator(len(ENGLISH), len(FRENCH), 3, 4)
    tensors = {f"translator/{name}": value for name, value in model.state_dict().items()}
    tensors["vocabulary/mark"] = VocabularyMark(ENGLISH, FRENCH).mark
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", model


def test_weights_come_back(stored):
    path, model = stored
    other = RecurrentTranslator(len(ENGLISH), len(FRENCH), 3, 4)
    load_translator(path, other, ENGLISH, FRENCH)
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_other_vocabularies_are_refused(stored):
    path, model = stored
    larger = Vocabulary.of([("a", "dog", "runs", "far")])
    with pytest.raises(CheckpointError, match="7 and 7 words there, 8 and 7 here"):
        load_translator(path, model, larger, FRENCH)
    with pytest.raises(CheckpointError, match="other vocabularies"):
        load_translator(path, model, ENGLISH, Vocabulary.of([("un", "chat", "court")]))


def test_other_shapes_and_files_are_refused(stored, tmp_path):
    path, _ = stored
    with pytest.raises(CheckpointError, match="another shape"):
        load_translator(path, RecurrentTranslator(len(ENGLISH), len(FRENCH), 3, 5), ENGLISH, FRENCH)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for broken in (tmp_path / "broken.safetensors", tmp_path / "absent.safetensors"):
        with pytest.raises(CheckpointError, match="holds no translator"):
            load_translator(broken, RecurrentTranslator(7, 7, 3, 4), ENGLISH, FRENCH)
