"""The block against torch's own attention, LayerNorm equations written out, and what a causal model may see."""

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm, multi_head_attention_forward

from coursework.nets.attention import MultiHeadAttention, causal_mask, sinusoids
from coursework.nets.transformer import CausalLM, PositionedWords, Stack, TransformerBlock


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, memory = torch.randn(3, 5, 8, generator=generator), torch.randn(3, 7, 8, generator=generator)
    mask = torch.rand(3, 5, 7, generator=generator) < 0.6
    mask[..., 0] = True
    return x, memory, mask


def test_both_paths_are_torchs_own_attention(inputs):
    x, memory, mask = inputs
    torch.manual_seed(2)
    ours = MultiHeadAttention(8, 2)
    for linear in (ours.query, ours.key, ours.value, ours.out):
        nn.init.normal_(linear.bias)
    theirs, weights = multi_head_attention_forward(
        x.transpose(0, 1),
        memory.transpose(0, 1),
        memory.transpose(0, 1),
        8,
        2,
        torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]),
        torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]),
        None,
        None,
        False,
        0.0,
        ours.out.weight,
        ours.out.bias,
        attn_mask=(~mask).repeat_interleave(2, 0),
        average_attn_weights=False,
    )
    fused = ours(x, memory, mask)
    shown, seen = ours.with_weights(x, memory, mask)
    torch.testing.assert_close(fused, theirs.transpose(0, 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(shown, fused, atol=1e-6, rtol=0)
    torch.testing.assert_close(seen, weights, atol=1e-6, rtol=0)
    assert (seen[~mask[:, None].expand_as(seen)] == 0).all()


@pytest.mark.parametrize("cross", [False, True])
def test_pre_and_post_are_their_printed_equations(inputs, cross):
    x, memory = (part.double() for part in inputs[:2])
    for norm in ("pre", "post"):
        torch.manual_seed(3)
        block = TransformerBlock(8, 2, 16, norm, cross).double()
        for module in (block.attention_norm, block.feed_forward_norm, block.cross_norm):
            if module is not None:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)

        def normed(y: torch.Tensor, module: nn.LayerNorm) -> torch.Tensor:
            return layer_norm(y, (8,), module.weight, module.bias)

        parts = [(lambda y, b=block: b.attention(y, y), block.attention_norm)]
        if cross:
            parts.append((lambda y, b=block: b.cross(y, memory), block.cross_norm))
        parts.append((block.feed_forward, block.feed_forward_norm))
        y = x
        for part, module in parts:
            y = y + part(normed(y, module)) if norm == "pre" else normed(y + part(y), module)
        torch.testing.assert_close(block(x, memory=memory if cross else None), y, atol=1e-12, rtol=0)
        again, weights = block.with_weights(x, memory=memory if cross else None)
        torch.testing.assert_close(again, y, atol=1e-12, rtol=0)
        assert len(weights) == 1 + cross


def test_post_norm_block_is_torchs_encoder_layer(inputs):
    x = inputs[0]
    torch.manual_seed(4)
    for norm in ("pre", "post"):
        theirs = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm == "pre")
        ours = TransformerBlock(8, 2, 16, norm)
        names = {
            "self_attn.out_proj": "attention.out",
            "linear1": "feed_forward.inner",
            "linear2": "feed_forward.outer",
            "norm1": "attention_norm",
            "norm2": "feed_forward_norm",
        }
        own = theirs.state_dict()
        state = {f"{new}.{kind}": own[f"{old}.{kind}"] for old, new in names.items() for kind in ("weight", "bias")}
        for kind in ("weight", "bias"):
            parts = own[f"self_attn.in_proj_{kind}"].chunk(3)
            state |= {f"attention.{name}.{kind}": p for name, p in zip(("query", "key", "value"), parts, strict=True)}
        ours.load_state_dict(state)
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_causal_model_sees_nothing_of_what_follows(norm):
    torch.manual_seed(5)
    model = CausalLM(11, 8, 2, 2, 16, norm, max_length=9)
    words = torch.randint(0, 11, (2, 9))
    changed = words.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    one, other = model(words), model(changed)
    torch.testing.assert_close(one[:, :5], other[:, :5], atol=1e-6, rtol=0)
    assert (one[:, 5:] - other[:, 5:]).abs().amin(-1).max() > 1e-4
    leak = torch.autograd.functional.jacobian(
        lambda x: model.head(model.stack(x, causal_mask(9)))[0].sum(-1), model.words(words[:1])
    )[:, 0].norm(dim=-1)
    assert (leak.triu(1) == 0).all()
    assert (leak.tril() + torch.ones(9, 9).triu(1) > 0).all()


def test_pre_norm_stack_norms_its_end_and_post_norm_has_no_need(inputs):
    x = 30 * inputs[0]
    for norm in ("pre", "post"):
        rows = Stack(3, 8, 2, 16, norm)(x)
        torch.testing.assert_close(rows.mean(-1), torch.zeros(3, 5), atol=1e-5, rtol=0)
        torch.testing.assert_close(rows.var(-1, unbiased=False), torch.ones(3, 5), atol=1e-3, rtol=0)


def test_sinusoids_turn_at_a_constant_rate():
    places = sinusoids(20, 6).double()
    shift = places[3:].T @ torch.linalg.pinv(places[:-3].T)
    torch.testing.assert_close(shift @ places[:-3].T, places[3:].T, atol=1e-5, rtol=0)
    torch.testing.assert_close(places[:, 0], torch.arange(20.0).double().sin(), atol=1e-6, rtol=0)
    torch.testing.assert_close(places.norm(dim=1), torch.full((20,), 3**0.5).double(), atol=1e-6, rtol=0)


def test_padding_has_no_embedding():
    words = PositionedWords(5, 8, 4, padding=0)
    torch.testing.assert_close(words(torch.zeros(1, 3, dtype=torch.long))[0], sinusoids(3, 8))


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="num_heads = 3"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="dim = 7"):
        sinusoids(3, 7)
    with pytest.raises(ValueError, match="memory is missing"):
        TransformerBlock(8, 2, 16, cross=True)(torch.zeros(1, 2, 8))
    with pytest.raises(ValueError, match=r"5 words.*max_length = 4"):
        CausalLM(3, 8, 1, 2, 16, max_length=4)(torch.zeros(1, 5, dtype=torch.long))
