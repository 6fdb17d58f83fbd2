"""What a config needs from outside, how much of it is there, and where to get the rest.

`resources/data_sources.csv` says of everything that can be fetched what it is, from where, its size and its licence.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2ipal import backbones
from t2ipal.errors import UserError
from t2ipal.paths import Place, coco_pictures, coco_row, nuswide_pictures, pool_files, source_files, voc_row
from t2ipal.resource_files import resource

PIPELINE = "stable-diffusion-v1-5"
"""Row of the text-to-image model that the paper used."""

TABLE = resource("data_sources.csv")


@dataclass(frozen=True)
class Source:
    """A row of the table: something to fetch.

    Attributes:
        bytes: size of the download, round where its page says no more; None where it says nothing.
        how: what to do with it, and the layout that comes of it.
    """

    name: str
    what: str
    url: str
    bytes: int | None
    licence: str
    how: str

    @property
    def size(self) -> str:
        """The size for people: "13.5 GB", or "size not stated"."""
        if self.bytes is None:
            return "size not stated"
        return f"{self.bytes / 1e9:.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.0f} MB"

    @property
    def text(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.url} ({self.size}; licence: {self.licence}); {self.how}"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing that the config needs.

    Attributes:
        key: the key of the config that names it.
        text: what was found.
        missing: whether a run would stop there.
        source: its row of the table; "" for what is the user's own.
    """

    key: str
    text: str
    missing: bool = False
    source: str = ""


def load_sources(path: Path = TABLE) -> dict[str, Source]:
    """The table by name.

    Raises:
        UserError: no table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: no such table of data sources") from error
    return {row["name"]: Source(**{**row, "bytes": int(row["bytes"]) if row["bytes"] else None}) for row in rows}


def check_pool(key: str, pool: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings on a caption pool; arguments as `t2ipal.captions.readers.read_captions`."""
    return _check_places(key, pool_files(pool))


def check_images(key: str, source: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings on a source of labelled images, and how many of those it lists are there.

    Args:
        source: as `t2ipal.datasets.read_images`, paths included.
    """
    from t2ipal.datasets import listed_images

    places = source_files(source)
    yield from _check_places(key, places)
    if all(place.path.exists() for place in places):
        row = _pictures_row(source)
        try:
            files = [path for _, path in listed_images(source)]
        except UserError as error:
            yield Finding(key, str(error), missing=True, source=row)
            return
        if files:
            yield _count(key, source, files, row)
    else:
        yield from _check_pictures(key, source)


def check_model(kind: str, key: str, place: str, revision: str | None = None) -> Finding:
    """Finding on a model: a path is looked at and compared with its manifest, a name is looked for in its cache.

    Args:
        kind: "clip" or "text_to_image".
        revision: of a model on the Hugging Face hub.
    """
    if kind == "clip":
        found = backbones.check(place)
        return Finding(key, found.text, found.missing, found.source)
    from t2ipal.images.manifest import verify

    path = Path(place)
    if not path.exists() and place.count("/") < 2 and not path.suffix:
        return Finding(key, f"{place}: {_cached_pipeline(place, revision)}", source=PIPELINE)
    if not path.exists():
        return Finding(key, f"{place}: no such file or folder", missing=True, source=PIPELINE)
    try:
        verify(path)
    except UserError as error:
        return Finding(key, str(error), missing=True)
    return Finding(key, f"{place}: there")


def _cached_pipeline(name: str, revision: str | None) -> str:
    """Whether a pipeline is in the cache of the Hugging Face hub."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "model_index.json", revision=revision)
    if isinstance(found, str):
        return f"{Path(found).parent}: in the cache"
    return "fetched when it is needed; without a network, put its folder elsewhere and give that as model"


def report(findings: Sequence[Finding], sources: Mapping[str, Source]) -> str:
    """All findings as text, what is missing first with where to get it, each source once.

    A source is told below the first thing that lacks it.
    """
    lines, told = [], set()
    for finding in sorted(findings, key=lambda item: not item.missing):
        lines.append(f"{'MISSING' if finding.missing else 'ok     '} {finding.key}: {finding.text}")
        if finding.missing and finding.source and finding.source not in told:
            told.add(finding.source)
            lines.append(f"        get it: {sources[finding.source].text}")
    return "\n".join(lines)


def _check_places(key: str, places: Sequence[Place]) -> Iterator[Finding]:
    """One finding for all files of a source: 81 files of labels are one thing to fetch."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for place in places:
        groups.setdefault((place.field, place.source), []).append(place.path)
    for (field, source), paths in groups.items():
        gone = [path for path in paths if not path.exists()]
        if not gone:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            yield Finding(f"{key}.{field}", f"{paths[0]}{more}: there", source=source)
        else:
            more = f" ({len(gone)} of {len(paths)} files)" if len(paths) > 1 else ""
            yield Finding(f"{key}.{field}", f"{gone[0]}: no such file or folder{more}", missing=True, source=source)


def _count(key: str, source: Mapping[str, Any], files: Sequence[Path], row: str) -> Finding:
    there = sum(path.is_file() for path in files)
    allowed = source.get("missing", len(files) - 1)
    gone = "" if there == len(files) else f"; the first that is not: {next(p for p in files if not p.is_file())}"
    text = f"{there:,} of {len(files):,} listed images are there{gone}"
    return Finding(key, text, missing=len(files) - there > allowed, source=row)


def _check_pictures(key: str, source: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding on the folder of images where the lists are missing too; VOC's come together."""
    if source["source"] not in ("coco", "nuswide"):
        return
    root = Path(source["root"])
    if source["source"] == "coco":
        own, others = coco_pictures(root, source["split"])
        folders = [*own, *others, root / source["split"]]
    else:
        folders = nuswide_pictures(root)
    if not folders[0].is_dir():
        yield Finding(f"{key}.root", f"{folders[0]}: no such folder of images", True, _pictures_row(source))


def _pictures_row(source: Mapping[str, Any]) -> str:
    """The row of a source's images."""
    kind, split = source["source"], source.get("split", "")
    return {"coco": coco_row(split, "images"), "voc": voc_row(split), "nuswide": "nuswide-images"}.get(kind, "")
