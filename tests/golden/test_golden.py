"""One T2I-PAL step against golden.safetensors, which `make_golden.py` computed without this package."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from make_golden import CAPTIONS, CONTEXT, LABELS, NAMES, PATH, SETTINGS, golden_clip, in_double, inputs, step

from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.models.adapter import attended_affinity, joint_logits
from t2ipal.models.losses import ranking_loss
from t2ipal.models.prompts import PromptEncoder
from t2ipal.models.similarity import global_logits, local_logits
from t2ipal.store import read_tensors

Tensors = dict[str, torch.Tensor]


@cache
def golden() -> Tensors:
    return read_tensors(PATH)[0]


@cache
def ours() -> Tensors:
    clip = OpenAIEncoder(golden_clip(), "golden")
    drawn = inputs()
    out: Tensors = {}
    out["image.global_pos"], out["image.global_nopos"], out["image.local"] = clip.image_dense(drawn["images"])
    tokens, lengths = clip.tokenize(CAPTIONS)
    out["text.global"], text_local = clip.text_dense(tokens, lengths)
    mask = torch.arange(tokens.shape[1]) < lengths[:, None]
    out["text.local"] = text_local[mask]
    names = ("context_global", "context_local", "prototypes")
    learned = {name: drawn[name].clone().requires_grad_() for name in names}
    encoder = PromptEncoder(clip, NAMES, CONTEXT)
    contexts = torch.stack([learned["context_global"], learned["context_local"]])
    out["class.global"], out["class.local"] = encoder(contexts)
    labels = torch.tensor(LABELS, dtype=torch.int8)
    scale, eta, alpha, beta = (SETTINGS[name] for name in ("scale", "eta", "alpha", "beta"))
    branches = {
        "text": (out["text.global"], text_local, mask),
        "image": (out["image.global_nopos"], out["image.local"], None),
    }
    for kind, (pooled, local, valid) in branches.items():
        s = out[f"{kind}.s"] = scale * global_logits(pooled, out["class.global"])
        found = local_logits(local, out["class.local"], SETTINGS["tau"], valid)
        s_local = out[f"{kind}.s_local"] = scale * found.logits
        prototypes = F.normalize(learned["prototypes"], dim=-1)
        q = out[f"{kind}.q"] = attended_affinity(local, found.heat, prototypes, beta, normalise=True)
        joint = out[f"{kind}.joint"] = joint_logits(s_local, q, alpha)
        out[f"loss.{kind}"] = (ranking_loss(s, labels, eta) + ranking_loss(joint, labels, eta)).mean()
    out["loss"] = SETTINGS["gamma"] * out["loss.image"] + (1 - SETTINGS["gamma"]) * out["loss.text"]
    out["loss"].backward()
    out |= {f"grad.{name}": value.grad for name, value in learned.items()}
    return {name: value.detach() for name, value in out.items()}


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", sorted(golden()))
def test_step(name: str) -> None:
    assert difference(ours()[name], golden()[name]) < 1e-5


def test_golden_file_is_what_the_script_computes() -> None:
    again = step(in_double(golden_clip()), inputs())
    assert again.keys() == golden().keys()
    for name, value in again.items():
        assert difference(value, golden()[name]) < 1e-6, name


def test_it_is_worth_comparing() -> None:
    """Numbers that would not notice an error are no test."""
    for name, value in golden().items():
        assert value.isfinite().all() and value.std() > 0.01 if value.ndim else value > 0.1, name
