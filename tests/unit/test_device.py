"""The precision that `auto` picks, and the micro models in both precisions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from t2ipal.backbones import load_backbone
from t2ipal.classes import load_classes
from t2ipal.device import pick_dtype
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings
from t2ipal.models.losses import ranking_loss
from t2ipal.models.prompts import PromptEncoder

CPU, GPU = torch.device("cpu"), SimpleNamespace(type="cuda")


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx2": True}, torch.float32),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True}, torch.float32),
        ({"avx512_bf16": True, "amx_tile": True, "amx_bf16": True}, torch.bfloat16),
    ],
)
def test_a_cpu_needs_amx(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    features: dict[str, bool],
    expected: torch.dtype,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    with caplog.at_level("DEBUG", "t2ipal"):
        assert pick_dtype("auto", CPU) == expected
    assert caplog.messages == [f"dtype auto on cpu: {expected}"]
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16
    assert pick_dtype("float32", CPU) == torch.float32


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_a_gpu_needs_compute_capability_8(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_dtype("auto", GPU) == expected


@pytest.mark.skipif(pick_dtype("auto", CPU) == torch.float32, reason="takes minutes on a CPU without AMX")
def test_micro_images_differ_by_rounding() -> None:
    """By less than 2 of 255 levels on average; another caption's image differs by much more."""
    captions, seeds = ["a dog next to a car", "a bottle on a table"], [1, 2]
    exact, rounded = (
        load_pipeline(
            GenerationSettings(model="resources/zoo/text-to-image", steps=4, guidance=1.0, solver="unipc", dtype=dtype),
            "cpu",
        )
        .generate(captions, seeds)[0]
        .numpy()
        for dtype in ("float32", "bfloat16")
    )
    assert 0 < np.abs(exact - rounded).mean() < 2 / 255
    assert np.abs(exact[0] - exact[1]).mean() > 20 / 255


@pytest.mark.slow
def test_micro_scores_differ_by_rounding() -> None:
    """Cosines of trained prompts differ by less than 0.005, after steps that change them by much more."""
    clip, names = load_backbone("resources/zoo/clip.safetensors"), load_classes("voc2007").names[:4]
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(8, clip.dim, generator=generator), dim=-1)
    labels = torch.eye(4, dtype=torch.int8).repeat(2, 1)
    start, scores = 0.02 * torch.randn(4, 16, clip.width, generator=generator), []
    for dtype in (torch.float32, torch.bfloat16):
        encoder, context = PromptEncoder(clip, names, 16, True, dtype), start.clone().requires_grad_()
        for _ in range(5):
            loss = ranking_loss(4 * features @ encoder(context).T, labels).mean()
            context = (context - 0.01 * torch.autograd.grad(loss, context)[0]).detach().requires_grad_()
        with torch.no_grad():
            scores.append(features @ encoder(context).T)
            before = features @ encoder(start).T
    assert 0 < float((scores[0] - scores[1]).abs().max()) < 0.005
    assert float((scores[0] - before).abs().max()) > 0.05
