"""NUS-WIDE: lists of images, a file of 0 and 1 per concept, and the photographs, as far as Flickr still has them.

Photographs are where the lists name them, `Flickr/{folder}/{number}_{flickr id}.jpg`, or flat under names of their own,
`images/{index}_{flickr id}_{secret}_m.jpg`: the Flickr id identifies them.
"""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import Counted, ImageSource, RequiredFile, published
from t2ipal.sources.image_rows import ImageRow, RejectedImage
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.folders import DEPTH
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.store import existing_file
from t2ipal.text_files import lines
from t2ipal.validation import DataPath

if TYPE_CHECKING:
    import numpy as np

    from t2ipal.classes import ClassList

PUBLISHED = {"train": 161_789, "test": 107_859}
PUBLISHED_LABELLED = {"train": 125_449, "test": 83_898}
PICTURES = frozenset({"flickr", "images", "image"})
"""Folders of photographs, lower case: not searched for lists, for they hold 269,648 files."""

UNLABELLED = "none of the 81 concepts, and only labelled images are asked for"


class NusWideImages(ImageSource):
    """Images of NUS-WIDE with the labels of its 81 concepts."""

    source: Literal["nuswide"] = Field(description="NUS-WIDE, with the photographs in Flickr/ or flat in images/")
    root: DataPath = Field(description="folder of its lists, labels and photographs, relative to data_dir")
    split: Literal["train", "test"] = Field("test", description="'train' (161,789 images) or 'test' (107,859)")
    images: Literal["all", "labelled"] = Field("all", description="'all', or those 'labelled' with any concept")
    missing: Annotated[int, Field(ge=0)] = Field(0, description="listed images that may be missing, >= 0")

    def files(self) -> list[RequiredFile]:
        lists, labels = lists_and_labels(Path(self.root), self.split)
        return [
            *(RequiredFile("root", path, "nuswide-lists") for path in lists),
            *(RequiredFile("root", path, "nuswide-labels") for path in labels),
        ]

    def pictures(self) -> RequiredFile:
        return RequiredFile("root", _picture_folders(Path(self.root))[0], "nuswide-images")

    def folders(self) -> list[Path]:
        return _picture_folders(Path(self.root))

    def allowed_missing(self, listed: int) -> int:
        return self.missing

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield the split's images; the path that the list gives is the image_id.

        `images`: all that the list names (TaI-DPT), or those with at least one of the concepts, whatever `classes`
        holds (83,898 of the test images): scores of the two are not to be compared. As many as `missing` may be missing
        on disk; those are rejects.

        Raises:
            UserError: a missing or malformed list, more missing images than allowed, or a class without a concept.
        """
        root = Path(self.root)
        names, columns, wanted = self._labels(classes)
        file_of = _finder(root)
        order = sorted(range(len(names)), key=names.__getitem__)
        files = {names[row]: file_of(names[row]) for row in order if wanted[row]}
        gone = [name for name, path in files.items() if not os.path.isfile(path)]
        if len(gone) > self.missing:
            raise UserError(
                f"{root}: {len(gone)} of {len(files)} listed images are missing, the first is {files[gone[0]]}; "
                f"expected at most {self.missing} (key `missing`)"
            )
        rows = ((names[row], files[names[row]], tuple(columns[row].tolist())) for row in order if wanted[row])
        left = (RejectedImage(names[row], str(file_of(names[row])), UNLABELLED) for row in order if not wanted[row])
        return heapq.merge(checked_images(rows), left, key=attrgetter("image_id"))

    def all_positives(self, classes: ClassList) -> tuple[int, ...]:
        _, columns, wanted = self._labels(classes)
        return tuple(columns[wanted].sum(0, dtype="int64").tolist())

    def _labels(self, classes: ClassList) -> tuple[list[str], np.ndarray, np.ndarray]:
        """(names of the split's images, labels [names, classes] of 0 and 1, which of the images are asked for)."""
        import numpy as np

        names, labels, concepts = _table(Path(self.root), self.split)
        indices = match(classes, concepts, f"{self.root}: labels")
        columns = np.zeros((len(names), len(classes.names)), np.uint8)
        for column, concept in enumerate(concepts):
            if concept in indices:
                columns[:, indices[concept]] |= labels[:, column]
        return names, columns, labels.any(1) if self.images == "labelled" else np.ones(len(names), bool)

    def listed(self) -> Iterator[tuple[str, Path]]:
        """As of any source; those alone that are asked for."""
        root = Path(self.root)
        if self.images == "labelled":
            names, labels, _ = _table(root, self.split)
            names = [name for name, some in zip(names, labels.any(1), strict=True) if some]
        else:
            names = _names(lists_and_labels(root, self.split)[0][0])
        file_of = _finder(root)
        yield from ((name, file_of(name)) for name in names)

    def official_order(self) -> Iterator[str]:
        """As the list of the split has them, with those that have no concept."""
        return iter(_names(lists_and_labels(Path(self.root), self.split)[0][0]))

    def count(self) -> Counted:
        return published(PUBLISHED if self.images == "all" else PUBLISHED_LABELLED, self.split)


def lists_and_labels(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    """(lists of images, files of labels) of "train" or "test".

    Labels of the split, one file per concept, are aligned with its list; where a copy has only those of all images, the
    list of all images is needed too. Archives may be unpacked in place, into each other, or below `Groundtruth`.
    """
    files, part = _text_files(root), split.capitalize()
    wanted = files.get(f"{split}imagelist.txt", root / "ImageList" / f"{part}Imagelist.txt")
    own = [path for name, path in files.items() if re.fullmatch(rf"labels_.+_{split}\.txt", name)]
    if own:
        return [wanted], sorted(own)
    every = [path for name, path in files.items() if re.fullmatch(r"labels_.+(?<!_train)(?<!_test)\.txt", name)]
    if every:
        return [wanted, files.get("imagelist.txt", root / "ImageList" / "Imagelist.txt")], sorted(every)
    return [wanted], [root / "Groundtruth" / "TrainTestLabels" / f"Labels_airport_{part}.txt"]


def concept_of(path: Path) -> str:
    """The concept that a file of labels is for."""
    return re.sub(r"_(train|test)$", "", path.stem.removeprefix("Labels_"), flags=re.IGNORECASE)


def flickr_id(stem: str) -> str:
    """The id of a photograph by its name: 2124494179 of "0001_2124494179" and of "0_2124494179_b039ddccac_m".

    Also of "actor_0001_2124494179", as some flatten the folders into the names.
    """
    parts = stem.split("_")
    if len(parts[-1]) == 1 and parts[-1].isalpha():
        parts.pop()
    # index, id, secret: a secret may be all digits too, so the number of parts decides
    return parts[1] if len(parts) == 3 and parts[0].isdigit() else parts[-1]


def _picture_folders(root: Path) -> list[Path]:
    """Folders of photographs at or below `root`; the official one, `Flickr`, if there is none."""
    folders, level = [], [root]
    for _ in range(1, DEPTH):
        level = [folder for above in level for folder in _folders_in(above)]
        folders += [folder for folder in level if folder.name.lower() in PICTURES]
    return folders or [root / "Flickr"]


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder by name, at little cost where it holds 269,648 files."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except OSError:
        return []


def _text_files(root: Path) -> dict[str, Path]:
    """Every .txt at most DEPTH folders below `root`, by its name in lower case; of equal names the shallowest."""
    paths: list[Path] = []
    for folder, folders, names in os.walk(root):
        inside = len(Path(folder).relative_to(root).parts) < DEPTH
        folders[:] = [name for name in folders if inside and name.lower() not in PICTURES]
        paths += [Path(folder, name) for name in names if name.lower().endswith(".txt")]
    return {path.name.lower(): path for path in sorted(paths, key=lambda path: (-len(path.parts), path))}


def _finder(root: Path) -> Callable[[str], Path]:
    """A function from a listed name, such as actor/0001_2124494179.jpg, to where the file is, or where it should be."""
    folders = _picture_folders(root)
    flat: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.jp*g")) if folder.is_dir() else ():
            flat.setdefault(flickr_id(path.stem), path)

    def file_of(name: str) -> Path:
        nested = next((folder / name for folder in folders if os.path.isfile(folder / name)), None)
        return nested or flat.get(flickr_id(Path(name).stem)) or folders[0] / name

    return file_of


def _names(path: Path) -> list[str]:
    """Listed names with their folder, whatever slashes and prefixes the list has.

    Raises:
        UserError: no such list, or one that names an image twice.
    """
    names = ["/".join(line.replace("\\", "/").split("/")[-2:]) for line in lines(path)]
    if len(set(names)) < len(names):
        (twice, _), *_ = Counter(names).most_common(1)
        raise UserError(f"{path}: {twice} is listed more than once; expected every image once")
    return names


def _table(root: Path, split: str) -> tuple[list[str], np.ndarray, list[str]]:
    """(names of the split's images, labels [names, concepts] of 0 and 1, concepts)."""
    import numpy as np

    (wanted, *every), files = lists_and_labels(root, split)
    names = _names(wanted)
    concepts = [concept_of(path) for path in files]
    if not every:
        return names, np.stack([_column(path, len(names), wanted) for path in files], 1), concepts
    rows = {name: row for row, name in enumerate(_names(every[0]))}
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise UserError(f"{wanted}: {unknown[0]} is not in {every[0]}; expected every image there")
    chosen = [rows[name] for name in names]
    return names, np.stack([_column(path, len(rows), every[0])[chosen] for path in files], 1), concepts


def _column(path: Path, count: int, listing: Path) -> np.ndarray:
    """Labels [count] of one concept.

    Raises:
        UserError: a line is neither 0 nor 1, or there are more or fewer than images.
    """
    import numpy as np

    content = existing_file(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    marks = np.frombuffer(content.translate(None, b" \t\r\n"), np.uint8)
    for row in np.flatnonzero(~np.isin(marks, (ord("0"), ord("1")))):
        raise UserError(f"{path}: line {row + 1}: found {chr(marks[row])!r}; expected 0 or 1")
    if len(marks) != count:
        raise UserError(f"{path}: {len(marks)} labels; expected {count}, one for each image of {listing}")
    return (marks == ord("1")).astype(np.uint8)
