"""Training, scoring, extraction, prediction and generation on a pretended GPU: no tensors of two devices meet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import novel_toy
import numpy as np
import pytest
import torch
import training_toy
from own_toy import MEASURED, write_photos, write_recogniser
from pretended_gpu import pretended_gpu
from tiny_clip import DIM, SIDE, tiny_clip
from tiny_pipeline import build
from torch import Tensor

from t2ipal import methods
from t2ipal.features.cache import ImageFeatures
from t2ipal.training.train import fit

ON = ("cpu", "cuda")
NOVEL_METHODS = {"coop", "laso", "ml_fsl"}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within a test, "cuda" is there; what uses other threads works in this one, which alone pretends."""
    monkeypatch.setattr("t2ipal.training.train.ahead", lambda batches: batches)
    with pretended_gpu(monkeypatch):
        yield


@cache
def toy(novel: bool) -> tuple[Any, tuple[str, ...], ImageFeatures]:
    """Training data, class names, and images to score."""
    test = training_toy.images(["x", "y"], torch.randn(2, DIM, generator=torch.Generator().manual_seed(3)))
    kind = novel_toy if novel else training_toy
    return (novel_toy.novel_toy(count=60) if novel else training_toy.toy(16)), kind.NAMES, test


@cache
def clips() -> dict[str, Any]:
    """By device; both of equal weights."""
    there = tiny_clip()
    there.model.to("cuda")
    return {"cpu": tiny_clip(), "cuda": there}


@pytest.mark.parametrize("name", methods.names())
def test_a_method_learns_and_scores_there_as_here(name: str, gpu: None) -> None:
    kind = methods.get(name)
    data, names, images = toy(name in NOVEL_METHODS)
    wanted = {"epochs": 1, "op_epochs": 1, "classifier_epochs": 1, "n_ctx": 2, "batch": 8}
    settings = kind.Settings(**{key: value for key, value in wanted.items() if key in kind.Settings.model_fields})
    scores = []
    for device in ON:
        tensors, _ = fit(kind, settings, clips()[device], names, data, (1, 2), device=device)
        model = kind(settings, names)
        scores.append(model.scores({key: value.to(device) for key, value in tensors.items()}, images).cpu())
    assert torch.allclose(*scores, atol=1e-3)


@pytest.mark.parametrize("vision", ["resnet", "vit"])
def test_features_are_extracted_there_as_here(vision: str, gpu: None) -> None:
    from t2ipal.features.extract import encode_images

    clip, images = tiny_clip(vision=vision), torch.rand(3, 3, SIDE, SIDE)
    ids, lengths = clip.tokenize(["a dog", "two cats and a bus"])
    both: list[list[Tensor]] = []
    for device in ON:
        clip = tiny_clip(vision=vision)
        clip.model.to(device)
        both.append([part.cpu() for part in (*encode_images(clip, images), *clip.text_dense(ids, lengths))])
    assert all(torch.allclose(here, there, atol=1e-5) for here, there in zip(*both, strict=True))


def test_a_recogniser_predicts_there_as_here(gpu: None, tmp_path: Path) -> None:
    from t2ipal.prediction.predict import Recogniser

    recogniser, photos = write_recogniser(tmp_path, MEASURED), write_photos(tmp_path / "photos", 3)
    both = [list(Recogniser.load(recogniser, device=device).predict(photos, maps=1)) for device in ON]
    for here, there in zip(*both, strict=True):
        assert here.scores == pytest.approx(there.scores, abs=1e-4)


def test_images_are_generated_there_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from t2ipal.images import pipeline
    from t2ipal.images.encode import decode
    from t2ipal.images.generate import generate
    from t2ipal.images.settings import GenerationSettings

    event = SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    common = {"steps": 2, "guidance": 3, "batch": 2, "solver": "dpm++", "dtype": "float32", "compile": "off"}
    settings = GenerationSettings(model=str(build(tmp_path / "pipeline")), **common)
    captions, pictures = [("a", "a dog"), ("b", "two cats"), ("c", "a bus")], []
    for device in ON:
        read = pipeline._read(settings, torch.float32)  # by accelerate, which needs "meta" for itself
        with monkeypatch.context() as within, pretended_gpu(within):
            within.setattr(pipeline, "_read", lambda *_, read=read: read)
            rows = list(generate(pipeline.load_pipeline(settings, device), captions, 0, 0))
        pictures.append(np.stack([np.asarray(decode(row.image)) for row in rows]).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_what_a_gpu_refuses_is_refused(gpu: None) -> None:
    there, here = torch.ones(3, device="cuda"), torch.ones(3)
    assert there.device.type == "cuda"
    assert (there + 1).sum().item() == 6
    assert (there * torch.tensor(2.0)).cpu().tolist() == [2, 2, 2]  # one number may come from the CPU
    assert there[torch.tensor([0, 1])].shape == (2,)
    for refused in (
        lambda: there + here,
        lambda: here @ there,
        lambda: here[torch.tensor([0], device="cuda")],
        lambda: torch.cat([there, here]),
        lambda: there.numpy(),
        lambda: torch.randn(2, device="cuda", generator=torch.Generator()),
        lambda: torch.nn.Linear(3, 1)(there),
    ):
        with pytest.raises((RuntimeError, TypeError)):
            refused()
