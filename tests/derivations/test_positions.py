"""Permutations of tokens on torch's layers, and the sums written out in the derivations."""

import itertools

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from coursework.derivations import positions_evidence as evidence


def test_the_two_permutations_derived_make_all_six():
    swap, cycle = (1, 0, 2), (1, 2, 0)
    made = {(0, 1, 2)}
    while True:
        more = made | {tuple(one[place] for place in other) for one in made for other in (swap, cycle)}
        if more == made:
            break
        made = more
    assert made == set(itertools.permutations(range(3)))


@pytest.mark.parametrize("seed", range(50))
def test_attention_moves_with_its_tokens(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = int(torch.randint(2, 12, (), generator=generator))
    query, key, value = torch.randn(3, 1, tokens, 6, generator=generator, dtype=torch.float64)
    order = torch.randperm(tokens, generator=generator)
    out = scaled_dot_product_attention(query, key, value)
    moved = scaled_dot_product_attention(query[:, order], key[:, order], value[:, order])
    torch.testing.assert_close(moved, out[:, order], rtol=0, atol=1e-12)


def test_the_table_counts_all_instances():
    frame = evidence.permutation_table(20, 0).set_index("output")
    assert (frame["yes"] + frame["no"] == 20).all()
    assert list(frame["yes"]) == [20, 20, 0, 0, 0]


def test_readers_are_listed_with_mean_and_spread():
    runs = [{"parameters": 1234.0, "accuracy": a, "longer_accuracy": 0.5} for a in (0.9, 1.0)]
    frame = evidence.reader_table({"GRU": runs})
    assert frame.iloc[0].tolist() == ["GRU", "1,234", "0.950 ± 0.071", "0.500 ± 0.000"]
