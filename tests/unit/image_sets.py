"""Small image sets, and lists of a few classes, for tests of what reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Entry:
    """A class by name, as far as a data set asks."""

    name: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classes:
    """A class list of a few classes."""

    classes: tuple[Entry, ...]
    name: str = "few"

    @property
    def names(self) -> tuple[str, ...]:
        """Names in label order."""
        return tuple(entry.name for entry in self.classes)


FEW = Classes((Entry("dog", ("puppy",)), Entry("dining table"), Entry("sofa", ("settee", "couch")), Entry("person")))
DOG = Classes((Entry("dog"),))


def photo(path: Path, mode: str = "RGB", seed: int = 0) -> Path:
    """Write a small noisy JPEG or PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).resize((120, 80)).convert(mode).save(path)
    return path


def small_coco(root: Path, split: str, files: dict[int, str], annotations: str = "annotations") -> dict[str, str]:
    """Write instances without images: every image shows a dog. Return the source."""
    content = {
        "info": {"year": 1},
        "images": [{"id": number, "file_name": name} for number, name in files.items()],
        "licenses": [],
        "annotations": [{"id": n, "image_id": n, "category_id": 18, "segmentation": [[1.5] * 40]} for n in files],
        "categories": [{"id": 18, "name": "dog"}],
    }
    path = root / annotations / f"instances_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return {"source": "coco", "root": str(root), "split": split}
