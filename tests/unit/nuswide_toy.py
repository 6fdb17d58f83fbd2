"""A NUS-WIDE of six images and three concepts."""

from __future__ import annotations

from pathlib import Path

from image_sets import photo

# listed name, split, birds, sky; the order of the list is not that of the names
IMAGES = [
    ("zebra/0003_300.jpg", "Test", 0, 1),
    ("actor/0001_2124494179.jpg", "Test", 1, 1),
    ("actor/0002_174174086.jpg", "Train", 1, 0),
    ("beach/0007_777.jpg", "Test", 0, 0),
    ("actor/0010_1000.jpg", "Test", 0, 0),
    ("beach/0009_999.jpg", "Train", 0, 1),
]
EXPECTED = {
    "actor/0001_2124494179.jpg": (1, 1, 0),
    "actor/0010_1000.jpg": (0, 0, 0),
    "beach/0007_777.jpg": (0, 0, 0),
    "zebra/0003_300.jpg": (0, 1, 0),
}


def write_list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # as in the official lists: backslashes and CRLF
    path.write_bytes("".join(name.replace("/", "\\") + "\r\n" for name in names).encode())


def write_labels(path: Path, values: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{value} \r\n" for value in values).encode())


def tree(root: Path, lists: str = "ImageList", labels: str = "Groundtruth/TrainTestLabels") -> dict[str, str]:
    """Lists and labels of three concepts: whales are nowhere, clouds are no class here."""
    write_list(root / lists / "Imagelist.txt", [name for name, *_ in IMAGES])
    for split in ("Train", "Test"):
        write_list(root / lists / f"{split}Imagelist.txt", [name for name, part, *_ in IMAGES if part == split])
    columns = {"birds": 2, "sky": 3, "whales": None, "clouds": None}
    for concept, column in columns.items():
        values = [row[column] if column else 0 for row in IMAGES]
        if labels.endswith("AllLabels"):
            write_labels(root / labels / f"Labels_{concept}.txt", values)
        else:
            for split in ("Train", "Test"):
                part = [value for value, row in zip(values, IMAGES, strict=True) if row[1] == split]
                write_labels(root / labels / f"Labels_{concept}_{split}.txt", part)
    return {"source": "nuswide", "root": str(root), "split": "test"}


def nested(root: Path, folder: str = "Flickr") -> None:
    for place, (name, *_) in enumerate(IMAGES):
        photo(root / folder / name, seed=place)
