"""Dense features against CLIP's own outputs and against sums written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import DIM, SIDE, tiny_clip

from t2ipal.backbones.openai.dense import folded, image_dense, resize_positions

RESNET, VIT = tiny_clip(), tiny_clip(vision="vit")
TEXTS = ["a dog", "two men riding a motor bike next to a parked car", "a cat."]


def images(side: int, rows: int = 2) -> torch.Tensor:
    return torch.randn(rows, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("clip", "cells"), [(RESNET, 4), (VIT, 16)], ids=["resnet", "vit"])
def test_global_feature_is_clips_own(clip, cells: int) -> None:
    pos, nopos, local = clip.image_dense(images(SIDE))
    torch.testing.assert_close(pos, F.normalize(clip.model.encode_image(images(SIDE)), dim=-1))
    assert pos.shape == nopos.shape == (2, DIM)
    assert local.shape == (2, cells, DIM)
    assert math.prod(clip.grid(SIDE)) == cells
    for value in (pos, nopos, local):
        torch.testing.assert_close(value.norm(dim=-1), torch.ones(value.shape[:-1]))


@pytest.mark.parametrize("clip", [RESNET, VIT], ids=["resnet", "vit"])
def test_global_features_alone_are_those_beside_the_local_ones(clip) -> None:
    for alone, beside in zip(clip.image_global(images(SIDE)), clip.image_dense(images(SIDE))[:2], strict=True):
        torch.testing.assert_close(alone, beside, rtol=0, atol=1e-6)


def layer4(x: torch.Tensor) -> torch.Tensor:
    """What CLIP's own forward hands to the attention pooling."""
    seen = []
    handle = RESNET.model.visual.attnpool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    RESNET.model.encode_image(x)
    handle.remove()
    return seen[0]


def test_resnet_local_and_unpositioned_features_written_out() -> None:
    _, nopos, local = RESNET.image_dense(images(SIDE))
    pool = RESNET.model.visual.attnpool
    for b, cells in enumerate(layer4(images(SIDE))):
        rows = [cells[:, y, x] for y in range(cells.shape[1]) for x in range(cells.shape[2])]
        values = [pool.c_proj(pool.v_proj(row)) for row in rows]
        for j, value in enumerate(values):
            torch.testing.assert_close(local[b, j], value / value.norm(), atol=1e-5, rtol=1e-5)
        tokens = [torch.stack(rows).mean(0), *rows]
        query, width = pool.q_proj(tokens[0]), len(tokens[0]) // pool.num_heads
        heads = []
        for h in range(pool.num_heads):
            part = slice(h * width, (h + 1) * width)
            cosines = torch.stack([query[part] @ pool.k_proj(t)[part] / math.sqrt(width) for t in tokens])
            heads.append(sum(w * pool.v_proj(t)[part] for w, t in zip(cosines.softmax(0), tokens, strict=True)))
        pooled = pool.c_proj(torch.cat(heads))
        torch.testing.assert_close(nopos[b], pooled / pooled.norm(), atol=1e-5, rtol=1e-5)


def test_batch_norms_are_folded_in_a_copy() -> None:
    visual = RESNET.model.visual
    fast = folded(visual)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fast.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in visual.modules())
    for ours, plain in zip(image_dense(fast, images(SIDE)), image_dense(visual, images(SIDE)), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5)


def test_vit_local_feature_of_a_single_patch_is_its_own() -> None:
    """A last block whose attention saw one position only would give the same."""
    visual = VIT.model.visual
    _, _, local = VIT.image_dense(images(SIDE))
    seen = []
    handle = visual.transformer.resblocks[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    VIT.model.encode_image(images(SIDE))
    handle.remove()
    for j in (0, 7, 15):
        alone = visual.transformer.resblocks[-1](seen[0][1 + j : 2 + j])
        torch.testing.assert_close(local[:, j], F.normalize(visual.ln_post(alone[0]) @ visual.proj, dim=-1))


@pytest.mark.parametrize(("clip", "cells"), [(RESNET, 9), (VIT, 36)], ids=["resnet", "vit"])
def test_another_image_size(clip, cells: int) -> None:
    pos, _, local = clip.image_dense(images(96))
    assert local.shape == (2, cells, DIM)
    assert pos.isfinite().all()
    assert math.prod(clip.grid(96)) == cells


def test_positions_keep_the_first_and_a_constant() -> None:
    position = torch.cat([torch.full((1, 3), 7.0), torch.full((4, 3), 2.0)])
    resized = resize_positions(position, (3, 5))
    assert resized.shape == (16, 3)
    torch.testing.assert_close(resized, torch.cat([position[:1], torch.full((15, 3), 2.0)]))
    assert resize_positions(position, (2, 2)) is position


def test_text_features() -> None:
    tokens, lengths = RESNET.tokenize(TEXTS)
    pooled, local = RESNET.text_dense(tokens, lengths)
    assert local.shape == (3, 77, DIM)
    torch.testing.assert_close(pooled, F.normalize(RESNET.model.encode_text(tokens), dim=-1), atol=1e-5, rtol=1e-5)
    for b, length in enumerate(lengths):
        torch.testing.assert_close(pooled[b], local[b, int(length) - 1])


def test_cut_tokens_change_nothing_that_remains() -> None:
    tokens, lengths = RESNET.tokenize(TEXTS)
    cut, longest = RESNET.cut(tokens, lengths), int(lengths.max())
    assert cut.shape == (3, longest)
    pooled, local = RESNET.text_dense(tokens, lengths)
    cut_pooled, cut_local = RESNET.text_dense(cut, lengths)
    torch.testing.assert_close(pooled, cut_pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(local[:, :longest], cut_local, atol=1e-5, rtol=1e-5)
