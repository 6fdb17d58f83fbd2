"""A frozen block's gradient by hand against numeric ones, and its states against the plain formula."""

import pytest
import torch
import torch.nn.functional as F

from t2ipal.backbones.frozen_block import BlockWeights, FrozenBlock, Part
from t2ipal.backbones.tower import causal_mask, mask_of

WIDTH, HEADS, CONTEXT, TAIL, SHARED, ROWS = 8, 2, 3, 2, 1, 2


def weights(seed: int = 0) -> BlockWeights:
    """Random float64 weights of a block."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"ln_1": (), "qkv": (3 * WIDTH, WIDTH), "out": (WIDTH, WIDTH), "ln_2": (), "fc": (4 * WIDTH, WIDTH)}
    sizes |= {"proj": (WIDTH, 4 * WIDTH)}
    values = {}
    for name, size in sizes.items():
        values[f"{name}_weight"] = torch.randn(size or (WIDTH,), generator=generator, dtype=torch.float64)
        values[f"{name}_bias"] = torch.randn(size[:1] or (WIDTH,), generator=generator, dtype=torch.float64)
    return BlockWeights(**values)


def states(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(w: BlockWeights, activation: str, x: torch.Tensor) -> torch.Tensor:
    """A pre-norm block on whole causal sequences [N, L, W], by torch's own functions."""
    normed = F.layer_norm(x, (WIDTH,), w.ln_1_weight, w.ln_1_bias)
    parts = F.linear(normed, w.qkv_weight, w.qkv_bias).chunk(3, -1)
    heads = [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts]
    attended = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)
    x = x + F.linear(attended, w.out_weight, w.out_bias)
    hidden = F.linear(F.layer_norm(x, (WIDTH,), w.ln_2_weight, w.ln_2_bias), w.fc_weight, w.fc_bias)
    hidden = hidden * torch.sigmoid(1.702 * hidden) if activation == "quick_gelu" else F.gelu(hidden)
    return x + F.linear(hidden, w.proj_weight, w.proj_bias)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """States that vary, constant ones, shared ones, the mask, and all of them as whole sequences [N, P + L, W]."""
    x, tail, shared = states(CONTEXT, ROWS), states(TAIL, ROWS, seed=2), states(SHARED, seed=3)
    whole = torch.cat([shared[:, None].expand(-1, ROWS, -1), x, tail]).transpose(0, 1)
    return x, tail, shared, causal_mask(CONTEXT + TAIL, SHARED).double(), whole


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_states_are_those_of_the_plain_formula(activation: str) -> None:
    x, tail, shared, mask, whole = inputs()
    block, ends = FrozenBlock(weights(), HEADS, activation), torch.tensor([[4, 2], [1, 3]])
    expected = plain(weights(), activation, whole).transpose(0, 1)[SHARED:]
    torch.testing.assert_close(block(x, tail, shared, mask), expected)
    found = block.last(x, tail, shared, mask, ends)
    torch.testing.assert_close(found, expected.take_along_dim(ends[..., None], 0))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("constant", [True, False])
def test_gradients_are_numeric_ones(activation: str, constant: bool) -> None:
    x, tail, shared, mask, _ = inputs()
    block = FrozenBlock(weights(), HEADS, activation)
    tail, mask = (tail, mask) if constant else (None, mask[:CONTEXT, : SHARED + CONTEXT])
    assert torch.autograd.gradcheck(lambda x: block(x, tail, shared, mask), x.requires_grad_())


@pytest.mark.parametrize("constant", [True, False])
def test_parts_see_what_the_mask_shows(constant: bool) -> None:
    x, tail, shared, _, _ = inputs()
    block, whole = FrozenBlock(weights(), HEADS, "gelu"), torch.cat([x, tail])
    sees = torch.ones(CONTEXT + TAIL, CONTEXT + TAIL, dtype=torch.bool).tril()
    sees[CONTEXT + 1, CONTEXT] = False  # two tails of one position, behind a context of three and one that is shared
    mask, parts = mask_of(sees, SHARED).double(), [Part(slice(0, 3), 0, slice(0, 4))]
    parts += [Part(slice(3, 4), 4, slice(4, 5)), Part(slice(4, 5), 4, slice(5, 6))]
    x, tail = (x, tail) if constant else (whole, None)
    torch.testing.assert_close(block(x, tail, shared, mask, parts), block(x, tail, shared, mask))
    assert torch.autograd.gradcheck(lambda x: block(x, tail, shared, mask, parts), x.requires_grad_())


def test_nothing_shared() -> None:
    x, block = states(CONTEXT, ROWS), FrozenBlock(weights(), HEADS, "gelu")
    found = block(x, None, x[:0, 0], causal_mask(CONTEXT, 0).double())
    torch.testing.assert_close(found, plain(weights(), "gelu", x.transpose(0, 1)).transpose(0, 1))


def test_rounded_products_leave_norms_and_sums_as_they_are() -> None:
    x, tail, shared, mask, _ = inputs()
    block = FrozenBlock(weights(), HEADS, "quick_gelu").float()
    rounded = block.rounded(torch.bfloat16)
    assert rounded.fc_weight.dtype == torch.bfloat16
    assert rounded.ln_1_weight.dtype == torch.float32
    arguments = [value.float() for value in (x, tail, shared, mask)]
    found, exact = rounded(*arguments), block(*arguments)
    assert found.dtype == torch.float32
    assert 0 < float((found - exact).norm() / exact.norm()) < 0.01
