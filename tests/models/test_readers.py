"""Readers of sequences: attention against its formula, permutations, positions."""

import math

import pytest
import torch

from coursework.models.readers import PositionedEmbedding, Reader, SelfAttention


def test_self_attention_against_its_formula_row_by_row():
    layer = SelfAttention(4).double()
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    out = layer(x)
    weight, bias = layer.project.weight, layer.project.bias
    query, key, value = (x @ weight[4 * part : 4 * part + 4].T + bias[4 * part : 4 * part + 4] for part in range(3))
    for b in range(2):
        for t in range(5):
            scores = torch.stack([query[b, t] @ key[b, s] / math.sqrt(4) for s in range(5)]).exp()
            attended = x[b, t] + sum(score * value[b, s] for s, score in enumerate(scores)) / scores.sum()
            torch.testing.assert_close(out[b, t], attended + layer.mlp(attended))


@pytest.mark.parametrize("positions", ["none", "add", "concatenate"])
def test_pooled_attention_is_blind_to_order_unless_it_has_positions(positions):
    reader = Reader("attention", positions, 8, 16, 20).double()
    tokens = torch.randint(8, (30, 9))
    order = torch.randperm(9)
    same = torch.allclose(reader(tokens), reader(tokens[:, order]), rtol=0, atol=1e-9)
    assert same is (positions == "none")


def test_a_gru_sees_order_without_positions():
    reader = Reader("gru", "none", 8, 16, 20).double()
    tokens = torch.randint(8, (30, 9))
    assert (reader(tokens) - reader(tokens.flip(1))).abs().max() > 1e-3


def test_embeddings_are_what_they_say():
    tokens = torch.tensor([[2, 0, 2]])
    plain, added, joined = (PositionedEmbedding(3, 5, kind, 7) for kind in ("none", "add", "concatenate"))
    assert torch.equal(plain(tokens)[0, 0], plain(tokens)[0, 2])
    assert torch.equal(added(tokens)[0, 2], added.token.weight[2] + added.place.weight[2])
    assert torch.equal(joined(tokens)[0, 1], torch.cat([joined.token.weight[0], joined.place.weight[1]]))
    assert joined(tokens).shape[-1] == joined.out_dim == 10


def test_a_concatenated_position_is_a_bias_on_the_gates_of_a_gru():
    reader = Reader("gru", "concatenate", 4, 6, 9).double()
    tokens = torch.randint(4, (5, 7))
    weight = reader.gru.weight_ih_l0
    by_word = reader.embedding.token(tokens) @ weight[:, :6].T
    by_place = reader.embedding.place.weight[:7] @ weight[:, 6:].T
    torch.testing.assert_close(reader.embedding(tokens) @ weight.T, by_word + by_place)
