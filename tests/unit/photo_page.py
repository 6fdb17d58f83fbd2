"""A page of predictions of photos of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from t2ipal.prediction.gallery import SIDE, Gallery
from t2ipal.prediction.prediction import Prediction

CLASSES = ("dog", "cat", "traffic light", "</script><b>x", "größe 5")
HEADER = {"method": "t2i_pal", "seeds": [1, 2], "classes": list(CLASSES), "threshold": 0.6,
          "clip": {"name": "a/clip.pt", "crop": "center", "image_size": 64, "batch": 4}}  # fmt: skip


def prediction(number: int, folder: Path, heat: bool = True) -> Prediction:
    """A photo of noise, the hardest to compress, whose scores are drawn."""
    rng = np.random.default_rng(number)
    scores = rng.random(len(CLASSES)).astype(np.float32)
    size = (SIDE, SIDE * 3 // 4) if number % 2 else (SIDE * 2 // 3, SIDE)
    noise = rng.integers(0, 256, (size[1] // 2, size[0] // 2, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size)
    order = np.argsort(-scores)[:3].tolist()
    maps = {index: rng.random((2, 2)) for index in order} if heat else {}
    path, sides = folder / f"photo {number:03d} é#1.jpg", (4 * size[0], 4 * size[1])
    return Prediction(path, CLASSES, scores, "", *sides, None, scores >= 0.6, image, maps)


def write_page(
    folder: Path, count: int, header: dict | None = None, heat: bool = True
) -> tuple[Path, list[Prediction]]:
    page, photos = folder / "out put/page.html", folder / "my photos"
    photos.mkdir(parents=True, exist_ok=True)
    found = [prediction(number, photos, heat) for number in range(count)]
    with Gallery(page, header or HEADER, count, 3, "My <photos>") as gallery:
        for each in found:
            gallery.add(each)
        gallery.add(Prediction(photos / "bad <one>.jpg", CLASSES, problem="not an image file"))
        gallery.write()
    return page, found
