"""Labelled image sets: every reader yields the same rows, sorted by image_id, and a reject for all it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.datasets import coco, folder, micro, nuswide, voc
from t2ipal.datasets.rows import ImageRow, Reject, SetCounts, write_rows
from t2ipal.errors import UserError

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

__all__ = ["ImageRow", "Reject", "SetCounts", "listed_images", "read_images", "write_image_set"]


def read_images(
    source: Mapping[str, Any],
    classes: ClassList,
    *,
    role: str = "test",
    seed: int = 0,
    data_dir: str | Path = ".",
) -> Iterator[ImageRow | Reject]:
    """Yield a source's images with their labels, one at a time, sorted by image_id.

    Args:
        source: a config's image source: {"source": "micro" | "coco" | "voc" | "nuswide" | "folder", ...}.
        classes: the classes to label, in the order of the labels.
        role: "train", "test" or "validation": which random stream the micro world draws from.
        seed: the global seed; only the micro world uses it.
        data_dir: folder that the source's relative paths start from.

    Raises:
        UserError: an unknown source, a missing or damaged annotation file, or a class the source does not know.
    """
    kind = source.get("source")
    base = Path(data_dir)
    if kind == "micro":
        return micro.read(source["size"], classes, role, seed, source.get("pixels", micro.PIXELS))
    if kind == "coco":
        return coco.read(base / source["root"], source["split"], classes)
    if kind == "voc":
        return voc.read(base / source["root"], source["split"], classes, source.get("difficult", "negative"))
    if kind == "nuswide":
        which, missing = source.get("images", "all"), source.get("missing", 0)
        return nuswide.read(base / source["root"], source["split"], classes, which, missing)
    if kind == "folder":
        labels = source.get("labels")
        return folder.read(base / source["path"], base / labels if labels else None, classes)
    raise UserError(f"source: {kind!r}; expected micro, coco, voc, nuswide or folder")


def listed_images(source: Mapping[str, Any], *, data_dir: str | Path = ".") -> Iterator[tuple[str, Path]]:
    """Yield (image_id, file) of every image that a source lists, on disk or not; none where nothing is listed.

    Args:
        source, data_dir: as `read_images`.

    Raises:
        UserError: the list is missing or damaged.
    """
    kind, base = source.get("source"), Path(data_dir)
    if kind == "coco":
        return coco.listed(base / source["root"], source["split"])
    if kind == "voc":
        return voc.listed(base / source["root"], source["split"])
    if kind == "nuswide":
        return nuswide.listed(base / source["root"], source["split"], source.get("images", "all"))
    if kind == "folder" and source.get("labels"):
        return folder.listed(base / source["path"], base / source["labels"])
    return iter(())


def write_image_set(
    source: Mapping[str, Any],
    classes: ClassList,
    path: str | Path,
    rejects_path: str | Path,
    *,
    role: str = "test",
    seed: int = 0,
    data_dir: str | Path = ".",
    on_progress: Callable[[int], None] | None = None,
) -> SetCounts:
    """Write a source's images and its rejects as two parquet files; arguments as `read_images`.

    Raises:
        UserError: as `read_images`; or not one image is usable.
    """
    rows = read_images(source, classes, role=role, seed=seed, data_dir=data_dir)
    return write_rows(rows, path, rejects_path, metadata={"classes": list(classes.names)}, on_progress=on_progress)
