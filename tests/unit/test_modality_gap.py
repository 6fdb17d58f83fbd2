"""The modality gap, between features and of a model's class prompts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from t2ipal.metrics.modality_gap import modality_gap, prompt_gaps
from t2ipal.store import write_tensors


def test_modality_gap() -> None:
    images, texts = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[-1.0, 0.0]])
    assert modality_gap(images, torch.from_numpy(texts)) == pytest.approx(np.hypot(1.5, 0.5))
    assert modality_gap(images, 5 * images) == pytest.approx(0)


def test_prompt_gaps_are_one_per_seed_and_none_without_prompts(tmp_path: Path) -> None:
    images, prompts = torch.randn(5, 3), torch.randn(2, 4, 3)
    write_tensors(tmp_path / "with.safetensors", {"class_global": prompts}, {"method": "tai_dpt"})
    write_tensors(tmp_path / "without.safetensors", {"weight": prompts}, {"method": "partial_bce"})
    expected = [modality_gap(images, seed) for seed in prompts]
    assert prompt_gaps(tmp_path / "with.safetensors", images) == pytest.approx(expected)
    assert prompt_gaps(tmp_path / "without.safetensors", images) == []
