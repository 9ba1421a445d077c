"""Weights of a translator with a mark of the vocabularies that they belong to."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from coursework.data.text import Vocabulary
from coursework.errors import CheckpointError


class VocabularyMark(nn.Module):
    """The sizes and the SHA-256 of two vocabularies, kept among a run's weights."""

    mark: Tensor

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        super().__init__()
        self.register_buffer("mark", vocabulary_mark(source, target))


def vocabulary_mark(source: Vocabulary, target: Vocabulary) -> Tensor:
    """Sizes of both vocabularies and the SHA-256 of their words in order, as 34 numbers."""
    words = "\0".join(["\1".join(vocabulary.words) for vocabulary in (source, target)])
    return torch.tensor([len(source), len(target), *hashlib.sha256(words.encode()).digest()])


def load_translator(path: Path, model: nn.Module, source: Vocabulary, target: Vocabulary) -> None:
    """Fill `model` in place with a run's weights, if they were trained with these vocabularies.

    Args:
        path: `model.safetensors` of a run of the experiment `nmt`.
        model: a translator of the run's shape.
        source: of the source language.
        target: of the target language.

    Raises:
        CheckpointError: the file is damaged or holds no translator, its vocabularies are others, or its shapes are.
    """
    try:
        tensors = load_file(path)
        found = tensors["vocabulary/mark"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"{path} holds no translator: {error}.") from None
    expected = vocabulary_mark(source, target)
    if not torch.equal(found, expected):
        sizes = [" and ".join(f"{n:,}" for n in mark[:2].tolist()) for mark in (found, expected)]
        raise CheckpointError(
            f"{path} was trained with other vocabularies: {sizes[0]} words there, {sizes[1]} here, or as many "
            "others. Make the vocabularies from the corpus that it was trained on."
        )
    weights = {n.removeprefix("translator/"): t for n, t in tensors.items() if n.startswith("translator/")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} holds a translator of another shape: {error}") from None
