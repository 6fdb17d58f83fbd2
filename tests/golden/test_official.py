"""Every output and gradient of the official TaI-DPT code on a small random CLIP (github.com/guozix/TaI-DPT)."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.methods.dualcoop import DualCoOp
from t2ipal.models.losses import ranking_loss
from t2ipal.models.prompts import PromptEncoder, encode_plain
from t2ipal.models.similarity import global_logits, local_logits
from t2ipal.rows import TRAIN
from t2ipal.rows.base import Branch
from t2ipal.store import read_tensors

SCALE, TAU_TEXT, TAU_IMAGE = 4.0, 1 / 50, 1 / 40
TOLERANCE = 1e-5

Golden = dict[str, Tensor]


@pytest.fixture
def found(golden_dir: Path) -> tuple[Golden, OpenAIEncoder, list[str], list[str]]:
    """Golden tensors, the model, class names, captions."""
    from clip.model import CLIP

    state, _ = read_tensors(golden_dir / "tai_dpt_clip.safetensors")
    # as the file's shapes say, but for the text encoder's heads: 2 of 16, where OpenAI's rule would be one per 64
    model = CLIP(24, 64, (1, 1, 1, 1), 8, None, 77, 49408, 32, 2, 2)
    model.load_state_dict(state)
    golden, facts = read_tensors(golden_dir / "tai_dpt.safetensors")
    names, captions = facts["classnames"], facts["captions"]
    return golden, OpenAIEncoder(model.eval().requires_grad_(False), "official"), names, captions


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest value where that is above 1."""
    assert found.shape == expected.shape
    return float((found.detach() - expected).abs().max() / expected.abs().max().clamp_min(1))


def contexts(golden: Golden, *names: str) -> list[Tensor]:
    return [golden[name].clone().requires_grad_() for name in names]


@pytest.mark.parametrize("plain", [False, True], ids=["packed", "77 tokens"])
def test_captions(found: tuple[Golden, OpenAIEncoder, list[str], list[str]], plain: bool) -> None:
    golden, clip, names, captions = found
    tokens, lengths = clip.tokenize(captions)
    assert torch.equal(tokens, golden["captions.tokens"])
    pooled, local = clip.text_dense(tokens, lengths)
    assert difference(local, golden["caption.local_features"]) < TOLERANCE
    learned = contexts(golden, "prompt.global_ctx", "prompt.local_ctx")
    if plain:
        embeddings = [encode_plain(clip, names, context) for context in learned]
    else:
        embeddings = PromptEncoder(clip, names, 16)(torch.stack(learned))
    assert difference(embeddings[0], golden["class_embedding.global"]) < TOLERANCE
    s = SCALE * global_logits(pooled, embeddings[0])
    s_local = SCALE * local_logits(local, embeddings[1], TAU_TEXT, tokens != 0).logits
    assert difference(s, golden["caption.logits_global"]) < TOLERANCE
    assert difference(s_local, golden["caption.logits_local"]) < TOLERANCE
    loss = (ranking_loss(s, golden["labels"]) + ranking_loss(s_local, golden["labels"])).mean()
    assert difference(loss, golden["caption.ranking_loss"]) < TOLERANCE
    loss.backward()
    for context, name in zip(learned, ("grad.global_ctx", "grad.local_ctx"), strict=True):
        # the golden gradients lie 2e-5 from their own float64 values, by float32 rounding through a softmax at 1 / 50;
        # ours from them by up to 2.02e-5, by the processor
        assert difference(context.grad, golden[name]) < 2.5 * TOLERANCE


def test_images(found: tuple[Golden, OpenAIEncoder, list[str], list[str]]) -> None:
    golden, clip, names, _ = found
    pos, nopos, local = clip.image_dense(golden["images"])
    assert difference(pos, F.normalize(golden["image.global_features_pos"], dim=-1)) < TOLERANCE
    assert difference(nopos, F.normalize(golden["image.global_features_nopos"], dim=-1)) < TOLERANCE
    embeddings = PromptEncoder(clip, names, 16)(torch.stack(contexts(golden, "prompt.global_ctx", "prompt.local_ctx")))
    assert difference(SCALE * global_logits(nopos, embeddings[0]), golden["image.logits_global"]) < TOLERANCE
    s_local = SCALE * local_logits(local, embeddings[1], TAU_IMAGE).logits
    assert difference(s_local, golden["image.logits_local"]) < TOLERANCE


def test_class_specific_contexts(found: tuple[Golden, OpenAIEncoder, list[str], list[str]]) -> None:
    """The repository's DualCoOp; its labels are 1, -1 (absent) and 0 (unknown)."""
    golden, clip, names, _ = found
    _, nopos, local = clip.image_dense(golden["images"])
    method = DualCoOp(DualCoOp.Settings(), names)
    method.prepare(clip, torch.device("cpu"))
    learned = method.start((1,)) | {
        "context_positive": golden["dual.ctx_pos"][None].clone(),
        "context_negative": golden["dual.ctx_neg"][None].clone(),
    }
    learned = {name: value.requires_grad_() for name, value in learned.items()}
    tensors = learned | method.embed(learned)
    both = (global_logits(nopos, tensors[f"class_{part}"]) for part in ("positive", "negative"))
    z = tensors["log_scale"].exp() * (next(both) - next(both))
    assert difference(z[0], golden["dual.logits_global"]) < TOLERANCE
    assert difference(method.logits(tensors, local[None])[0], golden["dual.logits_local"]) < TOLERANCE
    labels = golden["dual.labels"][None]
    labels = torch.where(labels == 1, 1, torch.where(labels == -1, 0, -1))
    loss = method.loss(learned, {TRAIN: Branch(nopos[None], local[None], None, labels, torch.ones(1, len(local)))})
    assert difference(loss["loss"][0], golden["dual.loss"]) < TOLERANCE
    loss["loss"].sum().backward()
    gradients = {
        "context_positive": "grad_pos",
        "context_negative": "grad_neg",
        "log_scale": "grad_temperature",
        "log_spatial": "grad_spatial",
    }
    for ours, theirs in gradients.items():
        expected = golden[f"dual.{theirs}"]
        assert float((learned[ours].grad[0] - expected).abs().max() / expected.abs().max()) < 2 * TOLERANCE, ours
