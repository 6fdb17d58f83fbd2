"""Where the files of MS-COCO are: the official layout, and what mirrors make of it; and the published sizes.

Path logic alone, no file is read. Where nothing fits, the answer is the official path, so that the message that follows
names it.
"""

from __future__ import annotations

from pathlib import Path

from t2ipal.sources.reading.folders import first_existing

IMAGES = {"train2017": 118_287, "val2017": 5_000, "train2014": 82_783, "val2014": 40_504}
"""Images of the official splits (COCO's pages)."""


def download_of(split: str, part: str) -> str:
    """The archive that a split's "annotations" or "images" came in; "" for a split of the user's own."""
    if split not in IMAGES:
        return ""
    return f"coco-annotations-{split[-4:]}" if part == "annotations" else f"coco-{split}"


def annotations(root: Path, kind: str, split: str) -> Path:
    """`{kind}_{split}.json`, kind captions or instances: official `annotations/`, or as mirrors nest it."""
    name = f"{kind}_{split}.json"
    year = split[-4:]
    folders = ("annotations", "annotations/annotations", f"annotations_trainval{year}/annotations", ".")
    return first_existing(root / folder / name for folder in folders)


def picture_folders(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    """Folders of images that exist: the split's own, and those of other splits; 2014 and 2017 share their ids."""
    own = [root / part for part in (split, f"images/{split}", f"{split}/{split}")]
    others = [root / part / name for part in (".", "images") for name in IMAGES if name != split]
    return [folder for folder in own if folder.is_dir()], [folder for folder in others if folder.is_dir()]
