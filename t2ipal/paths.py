"""Where files lie: the outputs; and those of a data set, in the official layout and what mirrors make of it.

Path logic alone, no file is read: the workflow asks it for inputs, the readers for files, `check_data` for what is
missing. Where nothing fits, the answer is the official place, so that the message that follows names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from t2ipal.errors import UserError

COCO_FOLDERS = ("train2017", "val2017", "train2014", "val2014")
VOC_CLASSES = 20
NUS_PICTURES = frozenset({"flickr", "images", "image"})
"""Folders of NUS-WIDE photographs, lower case: not searched for lists, for they hold 269,648 files."""

DEPTH = 3
"""Folders below the root that are searched for what an unpacked archive nests."""


def results_folder(root: str, name: str) -> str:
    """The folder of a config's outputs: `root`, "~" for one's home, and its name.

    Raises:
        UserError: it is not a folder, or nothing can be written there.
    """
    folder = os.path.normpath(os.path.join(os.path.expanduser(root), name))
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise UserError(f"config: results_dir: {there}: not a folder (expected one, or a place for it)")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"config: results_dir: {there}: no permission to write (expected a folder of one's own)")
    return folder


class Place(NamedTuple):
    """A file or folder that a source needs.

    Attributes:
        field: the key of the config that led to it, such as "root".
        path: where it is, or where it should be.
        source: its row of resources/data_sources.csv; "" for files of the user's own.
    """

    field: str
    path: Path
    source: str


def pool_files(pool: Mapping[str, Any]) -> list[Place]:
    """The files that hold a pool's captions; none for the micro world.

    Args:
        pool: as `t2ipal.captions.readers.read_captions`, paths included.
    """
    kind = pool["source"]
    if kind == "coco":
        root = Path(pool["root"])
        files = [
            Place("root", coco_annotations(root, "captions", split), coco_row(split, "annotations"))
            for split in pool["splits"]
        ]
        return [*files, Place("ids", Path(pool["ids"]), "tai-dpt-ids")] if pool.get("ids") else files
    if kind == "openimages":
        return [Place("path", path, "openimages-captions") for path in narratives(Path(pool["path"]), pool["split"])]
    return [Place("path", Path(pool["path"]), "")] if kind == "text" else []


def source_files(source: Mapping[str, Any]) -> list[Place]:
    """The files that list a source's images and their labels; none for the micro world.

    Args:
        source: as `t2ipal.datasets.read_images`, paths included.
    """
    kind = source["source"]
    if kind == "coco":
        split = source["split"]
        path = coco_annotations(Path(source["root"]), "instances", split)
        return [Place("root", path, coco_row(split, "annotations"))]
    if kind == "voc":
        row = voc_row(source["split"])
        return [Place("root", path, row) for path in voc_files(Path(source["root"]), source["split"])]
    if kind == "nuswide":
        lists, labels = nuswide_files(Path(source["root"]), source["split"])
        return [Place("root", path, "nuswide-lists") for path in lists] + [
            Place("root", path, "nuswide-labels") for path in labels
        ]
    if kind == "folder":
        labels = [Place("labels", Path(source["labels"]), "")] if source.get("labels") else []
        return [Place("path", Path(source["path"]), ""), *labels]
    return []


# MS-COCO


def coco_row(split: str, part: str) -> str:
    """The archive that a split's "annotations" or "images" came in; "" for a split of the user's own."""
    if split not in COCO_FOLDERS:
        return ""
    return f"coco-annotations-{split[-4:]}" if part == "annotations" else f"coco-{split}"


def coco_annotations(root: Path, kind: str, split: str) -> Path:
    """`{kind}_{split}.json`, kind captions or instances: official `annotations/`, or as mirrors nest it."""
    name = f"{kind}_{split}.json"
    year = split[-4:]
    folders = ("annotations", "annotations/annotations", f"annotations_trainval{year}/annotations", ".")
    return _first(root / folder / name for folder in folders)


def coco_pictures(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    """Folders of images that exist: the split's own, and those of other splits; 2014 and 2017 share their ids."""
    own = [root / part for part in (split, f"images/{split}", f"{split}/{split}")]
    others = [root / part / name for part in (".", "images") for name in COCO_FOLDERS if name != split]
    return [folder for folder in own if folder.is_dir()], [folder for folder in others if folder.is_dir()]


# Pascal VOC


def voc_row(split: str) -> str:
    """The archive that a split came in."""
    return "voc2007-test" if split == "test" else "voc2007-trainval"


def voc_homes(root: Path, split: str) -> list[Path]:
    """Folders with `ImageSets/Main` at or below `root`, that of the split first, looking no deeper than needed.

    Official: VOCdevkit/VOC2007. The test archive unpacked on its own: VOCtest*/VOCdevkit/VOC2007 beside it.
    """
    homes: list[Path] = []
    for depth in range(DEPTH + 1):
        homes += sorted(path.parents[1] for path in root.glob("*/" * depth + "ImageSets/Main") if path.is_dir())
        if with_list := [home for home in homes if voc_list(home, split).is_file()]:
            return [with_list[0], *(home for home in homes if home != with_list[0])]
    return homes or [root]


def voc_list(home: Path, split: str, name: str | None = None) -> Path:
    """The list of a split's images, or of one class's labels on it."""
    return home / "ImageSets" / "Main" / (f"{name}_{split}.txt" if name else f"{split}.txt")


def voc_files(root: Path, split: str) -> list[Path]:
    """The list of the split, and what holds its labels: the class lists, or the folder of XML files."""
    homes = voc_homes(root, split)
    lists = sorted(voc_list(homes[0], split).parent.glob(f"*_{split}.txt"))
    whole = len(lists) >= VOC_CLASSES
    return [voc_list(homes[0], split), *lists, *([] if whole else [voc_part(homes, "Annotations")])]


def voc_part(homes: Iterable[Path], part: str) -> Path:
    """`JPEGImages` or `Annotations` of the first home that has it."""
    return _first(home / part for home in homes)


# NUS-WIDE


def nuswide_files(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    """(lists of images, files of labels) of "train" or "test".

    Labels of the split, one file per concept, are aligned with its list; where a copy has only those of all images, the
    list of all images is needed too. Archives may be unpacked in place, into each other, or below `Groundtruth`.
    """
    files, part = _texts(root), split.capitalize()
    wanted = files.get(f"{split}imagelist.txt", root / "ImageList" / f"{part}Imagelist.txt")
    own = [path for name, path in files.items() if re.fullmatch(rf"labels_.+_{split}\.txt", name)]
    if own:
        return [wanted], sorted(own)
    every = [path for name, path in files.items() if re.fullmatch(r"labels_.+(?<!_train)(?<!_test)\.txt", name)]
    if every:
        return [wanted, files.get("imagelist.txt", root / "ImageList" / "Imagelist.txt")], sorted(every)
    return [wanted], [root / "Groundtruth" / "TrainTestLabels" / f"Labels_airport_{part}.txt"]


def nuswide_concept(path: Path) -> str:
    """The concept that a file of labels is for."""
    return re.sub(r"_(train|test)$", "", path.stem.removeprefix("Labels_"), flags=re.IGNORECASE)


def nuswide_pictures(root: Path) -> list[Path]:
    """Folders of photographs at or below `root`; the official one, `Flickr`, if there is none."""
    found = [
        path
        for depth in range(1, DEPTH)
        for path in sorted(root.glob("/".join("*" * depth)))
        if path.name.lower() in NUS_PICTURES and path.is_dir()
    ]
    return found or [root / "Flickr"]


def _texts(root: Path) -> dict[str, Path]:
    """Every .txt at most DEPTH folders below `root`, by its name in lower case; of equal names the shallowest."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        inside = len(Path(folder).relative_to(root).parts) < DEPTH
        folders[:] = [name for name in folders if inside and name.lower() not in NUS_PICTURES]
        found += [Path(folder, name) for name in names if name.lower().endswith(".txt")]
    return {path.name.lower(): path for path in sorted(found, key=lambda path: (-len(path.parts), path))}


# OpenImages


def narratives(path: Path, split: str) -> list[Path]:
    """The files of localized narratives: `path` itself, or in that folder the captions, or every shard of the whole."""
    if path.is_file() or path.suffix == ".jsonl":
        return [path]
    stem = f"open_images_{'train_v6' if split == 'train' else split}"
    folders = [folder for folder in (path, path / "captions", path / "annotations") if folder.is_dir()] or [path]
    for folder in folders:
        for whole in (f"{stem}_captions.jsonl", f"{stem}_localized_narratives.jsonl"):
            if (folder / whole).is_file():
                return [folder / whole]
        shards = sorted(folder.glob(f"{stem}_localized_narratives-?????-of-?????.jsonl"))
        if shards:
            count = shards[-1].stem[-5:]
            return [folder / f"{stem}_localized_narratives-{i:05d}-of-{count}.jsonl" for i in range(int(count))]
    return [folders[0] / f"{stem}_captions.jsonl"]


def _first(paths: Iterable[Path]) -> Path:
    """The first that exists, or the first."""
    paths = list(paths)
    return next((path for path in paths if path.exists()), paths[0])
