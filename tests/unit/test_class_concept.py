"""Class Concept: sequential attention and scores against nested loops."""

import math

import pytest
import torch
from torch.nn.functional import normalize
from training_toy import NAMES, changed, clip, toy

from t2ipal import methods
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.models import sequential_attention as module
from t2ipal.models.sequential_attention import group_sizes, sequential_attention
from t2ipal.rows import CAPTIONS, TRAIN
from t2ipal.training.train import fit

METHOD = methods.get("class_concept")


def loop_attention(query: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
    """One query: every step adds up axis 0 of what is left, number by number."""
    while values.dim() > 1:
        flat = values.reshape(values.shape[0], -1, values.shape[-1])
        kept = []
        for r in range(flat.shape[1]):
            weights = [math.exp(scale * float(query @ flat[m, r])) for m in range(len(flat))]
            kept.append(sum(w * flat[m, r] for m, w in enumerate(weights)) / sum(weights))
        values = torch.stack(kept).reshape(values.shape[1:])
    return values


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_each_query_is_the_nested_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, texts = drawn(5, 6), drawn(2, 3, 4, 6, seed=1)
    found = sequential_attention(queries, texts, 7.0)
    for query, row in zip(queries, found, strict=True):
        torch.testing.assert_close(row, loop_attention(query, texts, 7.0))
    monkeypatch.setattr(module, "NUMBERS", 50)  # two queries at a time
    torch.testing.assert_close(sequential_attention(queries, texts, 7.0), found)


def test_one_step_is_softmax_attention_and_more_are_not() -> None:
    queries, texts = drawn(5, 6), drawn(12, 6, seed=1)
    expected = (9.0 * queries @ texts.T).softmax(-1) @ texts
    torch.testing.assert_close(sequential_attention(queries, texts, 9.0), expected)
    assert not torch.allclose(sequential_attention(queries, texts.unflatten(0, (3, 4)), 9.0), expected, atol=1e-3)


def test_equal_texts_return_that_text() -> None:
    text = drawn(1, 6)
    found = sequential_attention(drawn(4, 6, seed=1), text.expand(24, 6).unflatten(0, (2, 3, 4)), 50.0)
    torch.testing.assert_close(found, text.expand(4, 6))


@pytest.mark.parametrize(
    ("count", "steps", "sizes"),
    [(964, 3, (9, 10, 10)), (64_000, 3, (40, 40, 40)), (964, 1, (964,)), (964, 2, (31, 31)), (2, 3, (1, 1, 2))],
)
def test_groups_are_as_equal_as_can_be(count: int, steps: int, sizes: tuple[int, ...]) -> None:
    assert group_sizes(count, steps) == sizes


def scores(data: object, seeds: tuple[int, ...] = (1,), **changes: object) -> tuple[dict, torch.Tensor]:
    chosen = METHOD.Settings(**changes)
    tensors, history = fit(METHOD, chosen, clip(), NAMES, data, seeds, device="cpu")
    assert history == []
    return tensors, METHOD(chosen, NAMES).scores(tensors, data[TRAIN].images, chunk=7)


def test_scores_are_those_of_the_equations() -> None:
    data = toy()
    labels = data[CAPTIONS].labels.clone()
    labels[labels[:, 3] == 1, 3] = -1  # a class without a caption, unknown in some
    data = changed(data, CAPTIONS, labels=labels)
    tensors, found = scores(data, ensemble="none", rule="raw", scale_global=9.0, scale_local=5.0, tau_concept=0.1)
    captions, images = data[CAPTIONS].pooled.float(), data[TRAIN].images
    prompts = encode_names(clip(), NAMES, "a photo of a {}.")
    for n in (0, 39):
        v = loop_attention(images.global_nopos[n].float(), tensors["texts"][0].float(), 9.0)
        cells = [loop_attention(cell.float(), tensors["texts"][0].float(), 5.0) for cell in images.local[n]]
        for c in range(len(NAMES)):
            named = [text for text, row in zip(captions, labels, strict=True) if row[c] == 1]
            concept = sum(named) / len(named) if named else prompts[c]
            a = [float(torch.cosine_similarity(cell, concept, dim=0)) for cell in cells]
            weights = [math.exp(value / 0.1) for value in a]
            near = sum(w * value for w, value in zip(weights, a, strict=True)) / sum(weights)
            expected = float(torch.cosine_similarity(v, concept, dim=0)) + near
            assert float(found[0, n, c]) == pytest.approx(expected, abs=1e-3)  # captions are kept in half precision


def test_clip_dpts_cosines_are_added_and_the_rule_comes_last() -> None:
    data, zero_shot = toy(), methods.get("clip_dpt")
    tensors, _ = fit(zero_shot, zero_shot.Settings(), clip(), NAMES, data, (1,), device="cpu")
    added = 2 * zero_shot(zero_shot.Settings(), NAMES).scores(tensors, data[TRAIN].images) / tensors["logit_scale"]
    alone, both = (scores(data, ensemble=name, rule="raw")[1] for name in ("none", "clip_dpt"))
    torch.testing.assert_close(both, alone + added)
    torch.testing.assert_close(scores(data)[1], both - both.mean(-1, keepdim=True))
    assert "global_pos" not in METHOD.image_fields(METHOD.Settings(ensemble="none"))


def test_a_seed_is_an_order_of_the_captions_its_own_whoever_shares_the_job() -> None:
    data = toy()
    _, both = scores(data, (1, 2))
    assert both.shape == (2, 40, 4)
    torch.testing.assert_close(both[1:], scores(data, (2,))[1])
    assert not torch.allclose(both[0], both[1], atol=1e-6)
    first, second = scores(data, (1, 2), steps=1)[1]
    torch.testing.assert_close(first, second)  # one group: the order means nothing
    assert not METHOD.in_paper
