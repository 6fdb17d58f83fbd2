"""A small recogniser with a CLIP of random weights, and photos, for tests of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("dog", "cat", "traffic light")
CLIP = {"image_size": 64, "crop": "center", "batch": 4}


ERRORS = {"pooled": 1.0, "class_wise": 4.2, "equal_mass": 4.0, "brier": 9.0}
MEASURED = {
    "threshold": 0.1,
    "thresholds": [0.1, None, 0.2],
    "prior": [0.5, 0.1, 0.3],
    "calibration": {
        "kind": "platt",
        "a": [2.0, 1.0, 0.5],
        "b": [0.0, -1.0, 1.0],
        "threshold": 0.4,
        "fitted_on": {"source": "validation", "images": 40, "groups": 40, "positives": [20, 4, 12], "sha256": "0" * 64},
        "ece": ERRORS,
        "floor": {**ERRORS, "class_wise": 3.1},
    },
}
"""What labelled images add to a recogniser."""


def write_clip(path: Path) -> Path:
    """The tiny CLIP as a checkpoint."""
    from training_toy import clip

    from t2ipal.store import write_tensors

    write_tensors(path, clip().model.state_dict())
    return path


def write_run(
    path: Path, clip: Path, names: Sequence[str] = NAMES, method: str = "t2i_pal", seeds: Sequence[int] = (1, 2)
) -> Path:
    """The model of a run whose prompts are as drawn."""
    import torch

    from t2ipal import methods
    from t2ipal.backbones import load_backbone
    from t2ipal.methods.model_files import write_model

    loaded, kind = load_backbone(clip), methods.get(method)
    settings = kind.Settings(**({"n_ctx": 4} if method == "t2i_pal" else {}))
    made = kind(settings, names)
    made.prepare(loaded, torch.device("cpu"))
    used = kind.seeds(seeds)
    tensors = made.finish(made.start(used))
    about = {"seeds": list(used), "levels": [0], "classes": list(names), "clip": loaded.name}
    write_model(path, tensors, method, settings.model_dump(), **about, clip_sha256=loaded.sha256)
    return path


def write_recogniser(folder: Path, measured: Mapping[str, Any] | None = None, **options: object) -> Path:
    """clip.safetensors, run.safetensors and m.safetensors in a folder; the path of the last, the recogniser."""
    from t2ipal.prediction import recogniser

    clip = write_clip(folder / "clip.safetensors")
    run = write_run(folder / "run.safetensors", clip, **options)
    recogniser.write_recogniser(folder / "m.safetensors", run, {"model": str(clip), **CLIP}, measured, "0")
    return folder / "m.safetensors"


def picture(seed: int, size: tuple[int, int] = (90, 70)) -> Image.Image:
    """Coloured blocks."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


def write_photos(folder: Path, count: int = 7) -> list[Path]:
    """Photos of several sizes, modes and formats, in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        image = picture(number, (90 + 7 * number, 70 + 11 * (number % 3)))
        image = image.convert("L") if number % 5 == 3 else image
        path = folder / f"{number:03d}.{('jpg', 'png')[number % 2]}"
        image.save(path)
        paths.append(path)
    return paths
