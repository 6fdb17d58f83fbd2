"""NUS-WIDE: lists of images, a file of 0 and 1 per concept, and the photographs, as far as Flickr still has them.

Layouts: `t2ipal.paths`. Photographs lie as the lists name them, `Flickr/{folder}/{number}_{flickr id}.jpg`, or flat
under names of their own, `images/{index}_{flickr id}_{secret}_m.jpg`: the Flickr id tells which is which.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from t2ipal.datasets.files import check
from t2ipal.datasets.lists import lines
from t2ipal.datasets.names import match
from t2ipal.datasets.rows import ImageRow, Reject
from t2ipal.errors import UserError
from t2ipal.paths import nuswide_concept, nuswide_files, nuswide_pictures
from t2ipal.store import existing

if TYPE_CHECKING:
    import numpy as np

    from t2ipal.classes import ClassList

Which = Literal["all", "labelled"]
UNLABELLED = "none of the 81 concepts, and only labelled images are asked for"


def read(
    root: Path, split: str, classes: ClassList, images: Which = "all", missing: int = 0
) -> Iterator[ImageRow | Reject]:
    """Yield the split's images; the path that the list gives is the image_id.

    Args:
        split: "train" (161,789 images) or "test" (107,859).
        images: all that the list names (TaI-DPT), or those with at least one of the concepts, whatever `classes` holds
            (83,898 of the test images): scores of the two are not to be compared.
        missing: how many of them may be missing on disk; those are rejects.

    Raises:
        UserError: a missing or malformed list, more missing images than allowed, or a class without a concept.
    """
    import numpy as np

    names, labels, concepts = _table(root, split)
    indices = match(classes, concepts, f"{root}: labels")
    columns = np.zeros((len(names), len(classes.names)), np.uint8)
    for place, concept in enumerate(concepts):
        if concept in indices:
            columns[:, indices[concept]] |= labels[:, place]
    wanted = labels.any(1) if images == "labelled" else np.ones(len(names), bool)
    place = places(root)
    order = sorted(range(len(names)), key=names.__getitem__)
    files = {names[row]: place(names[row]) for row in order if wanted[row]}
    gone = [name for name, path in files.items() if not path.is_file()]
    if len(gone) > missing:
        raise UserError(
            f"{root}: {len(gone)} of {len(files)} listed images are missing, the first is {files[gone[0]]}; "
            f"expected at most {missing} (key `missing`)"
        )
    rows = ((names[row], files[names[row]], tuple(columns[row].tolist())) for row in order if wanted[row])
    left = (Reject(names[row], str(place(names[row])), UNLABELLED) for row in order if not wanted[row])
    return heapq.merge(check(rows), left, key=attrgetter("image_id"))


def listed(root: Path, split: str, images: Which = "all") -> Iterator[tuple[str, Path]]:
    """Yield (image_id, file) of every image that the split lists and that is asked for.

    Raises:
        UserError: a missing or malformed list.
    """
    if images == "labelled":
        names, labels, _ = _table(root, split)
        names = [name for name, some in zip(names, labels.any(1), strict=True) if some]
    else:
        names = _names(nuswide_files(root, split)[0][0])
    place = places(root)
    yield from ((name, place(name)) for name in names)


def places(root: Path) -> Callable[[str], Path]:
    """A function from a listed name, such as actor/0001_2124494179.jpg, to where the file is, or where it should be."""
    folders = nuswide_pictures(root)
    flat: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.jp*g")) if folder.is_dir() else ():
            flat.setdefault(flickr_id(path.stem), path)

    def place(name: str) -> Path:
        nested = next((folder / name for folder in folders if (folder / name).is_file()), None)
        return nested or flat.get(flickr_id(Path(name).stem)) or folders[0] / name

    return place


def flickr_id(stem: str) -> str:
    """The id of a photograph by its name: 2124494179 of "0001_2124494179" and of "0_2124494179_b039ddccac_m".

    Also of "actor_0001_2124494179", as some flatten the folders into the names.
    """
    parts = stem.split("_")
    if len(parts[-1]) == 1 and parts[-1].isalpha():
        parts.pop()
    # index, id, secret: a secret may be all digits too, so the number of parts decides
    return parts[1] if len(parts) == 3 and parts[0].isdigit() else parts[-1]


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

    (wanted, *every), files = nuswide_files(root, split)
    names = _names(wanted)
    concepts = [nuswide_concept(path) for path in files]
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

    marks = np.frombuffer(existing(path).read_bytes().translate(None, b" \t\r\n"), np.uint8)
    for row in np.flatnonzero(~np.isin(marks, (ord("0"), ord("1")))):
        raise UserError(f"{path}: line {row + 1}: found {chr(marks[row])!r}; expected 0 or 1")
    if len(marks) != count:
        raise UserError(f"{path}: {len(marks)} labels; expected {count}, one for each image of {listing}")
    return (marks == ord("1")).astype(np.uint8)
