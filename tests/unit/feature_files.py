"""Small files of features, made by the project's own extraction with any backbone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from torch import Tensor

from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.captions.templates import templates
from t2ipal.features.extract import extract_captions, extract_images, extract_texts
from t2ipal.rows.data import TrainingFiles
from t2ipal.store import write_parquet

NAMES = ("dog", "potted plant", "car")


def write_images(path: Path, ids: Sequence[str], key: str) -> None:
    rows = []
    for number, _ in enumerate(ids):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    sample = {"sample": pa.array([0] * len(ids), pa.int16())} if key == "caption_id" else {}
    write_parquet(pa.table({key: list(ids), **sample, "image": rows}), path)


def write_features(folder: Path, backbone: ImageTextEncoder, image_size: int = 32) -> TrainingFiles:
    """Captions with labels, an image of each, templates and labelled images: all files of a training."""
    ids = [f"c{row:02d}" for row in range(12)]
    texts = [f"a {NAMES[row % 3]} and more of it" for row in range(12)]
    write_parquet(pa.table({"caption_id": ids, "text": texts}), folder / "captions.parquet")
    labels = {"positive": [[row % 3] for row in range(12)], "unknown": [[]] * 12}
    columns = {name: pa.array(rows, pa.list_(pa.int32())) for name, rows in labels.items()}
    write_parquet(pa.table({"caption_id": ids, **columns}), folder / "labelled.parquet")
    write_images(folder / "drawn.parquet", ids, "caption_id")
    write_images(folder / "test.parquet", ["x", "y", "z"], "image_id")
    extract_captions(folder / "captions.parquet", folder / "f-captions.parquet", backbone, batch=5)
    rows = [(row.template_id, row.text) for row in templates(NAMES)]
    extract_texts(rows, folder / "f-templates.parquet", backbone)
    for name in ("drawn", "test"):
        source, target = folder / f"{name}.parquet", folder / f"f-{name}.parquet"
        extract_images(source, target, backbone, image_size=image_size, crop="squash")
    files = {"captions": "f-captions", "images": "f-drawn", "templates": "f-templates"}
    return TrainingFiles({name: folder / f"{file}.parquet" for name, file in {"labelled": "labelled", **files}.items()})


def train_t2i_pal(backbone: ImageTextEncoder, folder: Path, image_size: int) -> dict[str, Tensor]:
    """Scores by T2I-PAL [2, N, 3] of the twelve images of captions ("drawn") and of three others ("test").

    It is trained on features of `backbone` alone, in few steps.
    """
    from t2ipal import methods
    from t2ipal.features.cache import load_image_features
    from t2ipal.rows.data import read_training_data
    from t2ipal.training.train import fit

    folder.mkdir()
    files = write_features(folder, backbone, image_size)
    kind = methods.get("t2i_pal")
    settings = kind.Settings(epochs=3, batch=3, n_ctx=4, templates=2, lr=0.01)
    data = read_training_data(files, kind.kinds(settings), len(NAMES))
    learned, _ = fit(kind, settings, backbone, NAMES, data, (1, 2), device="cpu")
    made = kind(settings, NAMES)
    parts = {part: load_image_features(folder / f"f-{part}.parquet") for part in ("drawn", "test")}
    return {part: made.scores(learned, images) for part, images in parts.items()}
