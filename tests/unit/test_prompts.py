"""The packed prompt encoder against CLIP's own modules on 77 tokens per class."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_clip import DIM, WIDTH, tiny_clip

from t2ipal.errors import UserError
from t2ipal.models import prompts
from t2ipal.models.prompts import PromptEncoder, encode_plain

NAMES = ("dog", "dining table", "tv monitor", "a very long name of many words indeed", "bicycle")
CLIP = tiny_clip()


def contexts(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(seed))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).detach().abs().max() / b.detach().abs().max())


def with_gradient(encode, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    context = context.clone().requires_grad_()
    found = encode(context)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * weight).sum().backward()
    return found.detach(), context.grad


@pytest.mark.parametrize("n_ctx", [1, 4, 16])
@pytest.mark.parametrize("class_specific", [False, True])
def test_same_features_and_gradients_as_the_plain_way(n_ctx: int, class_specific: bool) -> None:
    shape = (len(NAMES), n_ctx) if class_specific else (n_ctx,)
    encoder = PromptEncoder(CLIP, NAMES, n_ctx, class_specific)
    fast, fast_gradient = with_gradient(encoder, contexts(*shape))
    plain, plain_gradient = with_gradient(lambda context: encode_plain(CLIP, NAMES, context), contexts(*shape))
    assert fast.shape == (len(NAMES), DIM)
    assert relative(fast, plain) < 1e-5
    assert relative(fast_gradient, plain_gradient) < 1e-4


def test_many_names_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, whole_gradient = with_gradient(PromptEncoder(CLIP, NAMES, 4), contexts(4))
    monkeypatch.setattr(prompts, "TOGETHER", 6)
    encoder = PromptEncoder(CLIP, NAMES, 4)
    (group,) = encoder.prompts.groups
    assert [part.rows.stop - part.rows.start for part in group.parts] == [4, 7, 14, 3]
    found, gradient = with_gradient(encoder, contexts(4))
    assert relative(found, whole) < 1e-5
    assert relative(gradient, whole_gradient) < 1e-4


def test_plain_way_is_clips_own_encode_text() -> None:
    tokens, _ = CLIP.tokenize([f"X X X X {name}." for name in NAMES])
    own = torch.nn.functional.normalize(CLIP.model.encode_text(tokens), dim=-1)
    placeholder = CLIP.model.token_embedding(tokens)[0, 1:5]
    torch.testing.assert_close(encode_plain(CLIP, NAMES, placeholder), own)
    torch.testing.assert_close(PromptEncoder(CLIP, NAMES, 4)(placeholder), own, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("class_specific", [False, True])
def test_seeds_and_prompt_sets_are_independent(class_specific: bool) -> None:
    per_class = (len(NAMES),) if class_specific else ()
    encoder = PromptEncoder(CLIP, NAMES, 4, class_specific)
    both = contexts(2, 3, *per_class, 4)
    together = encoder(both)
    assert together.shape == (2, 3, len(NAMES), DIM)
    for i in range(2):
        for s in range(3):
            torch.testing.assert_close(together[i, s], encoder(both[i, s]), atol=1e-5, rtol=1e-5)


def test_a_seed_gets_no_gradient_from_another() -> None:
    both = contexts(2, 4).requires_grad_()
    PromptEncoder(CLIP, NAMES, 4)(both)[0].sum().backward()
    assert both.grad[0].abs().max() > 0
    assert (both.grad[1] == 0).all()


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(
        st.sampled_from(["cat", "hot dog", "tv_monitor", "potted plant", "x", "12 o'clock"]), min_size=1, max_size=6
    )
)
def test_any_list_of_names(names: list[str]) -> None:
    context = contexts(3, seed=2)
    torch.testing.assert_close(
        PromptEncoder(CLIP, names, 3)(context), encode_plain(CLIP, names, context), atol=1e-5, rtol=1e-5
    )


def test_a_class_does_not_depend_on_the_others() -> None:
    context = contexts(4)
    torch.testing.assert_close(
        PromptEncoder(CLIP, NAMES, 4)(context)[2:3], PromptEncoder(CLIP, NAMES[2:3], 4)(context), atol=1e-5, rtol=1e-5
    )


def test_weights_get_no_gradient_and_the_model_stays_where_it_is() -> None:
    encoder = PromptEncoder(CLIP, NAMES, 4)
    assert not list(encoder.parameters())
    weight = CLIP.model.transformer.resblocks[0].mlp.c_fc.weight
    assert encoder.prompts.tower.blocks[0].fc_weight.data_ptr() == weight.data_ptr()
    encoder.to(torch.float64)
    assert weight.dtype == torch.float32


@pytest.mark.parametrize("class_specific", [False, True])
def test_bfloat16_is_for_gradients(class_specific: bool) -> None:
    exact = PromptEncoder(CLIP, NAMES, 4, class_specific)
    rounded = PromptEncoder(CLIP, NAMES, 4, class_specific, torch.bfloat16)
    shape = (2, 3, len(NAMES), 4, exact.width) if class_specific else (2, 3, 4, exact.width)
    context = (0.02 * torch.randn(shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
    with torch.no_grad():
        torch.testing.assert_close(rounded(context), exact(context), atol=0, rtol=0)
    towards = torch.randn(exact(context).shape, generator=torch.Generator().manual_seed(2))
    gradients = [torch.autograd.grad((encoder(context) * towards).sum(), context)[0] for encoder in (exact, rounded)]
    assert rounded(context).dtype == torch.float32
    difference = float((rounded(context) - exact(context)).detach().abs().max())
    assert 0 < difference < 0.02
    assert 0 < float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 0.05


def test_prompt_that_does_not_fit() -> None:
    with pytest.raises(UserError, match="expected at most CLIP's 77"):
        PromptEncoder(CLIP, ["word " * 80], 16)


def test_context_of_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match="expected"):
        PromptEncoder(CLIP, NAMES, 4)(contexts(5))
