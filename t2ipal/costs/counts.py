"""How many captions and images a config has: counted where it can be, published sizes where there is no data yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.classes import load_classes

if TYPE_CHECKING:
    from t2ipal.config.schema import Config

COCO = {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5_000}
COCO_CAPTIONS = 5
"""Images of the splits, each with five captions or a few more (COCO's pages)."""
VOC = {"train": 2_501, "val": 2_510, "trainval": 5_011, "test": 4_952}
NUSWIDE = {"train": 161_789, "test": 107_859}
NUSWIDE_LABELLED = {"train": 125_449, "test": 83_898}
NARRATIVES = {"train": 507_000}
"""Localized narratives of OpenImages V6, rounded (their page)."""
KEPT = {"coco": 0.843, "voc2007": 0.555}
"""Share of COCO's captions that name a class, counted on val2017's by TaI-DPT's lists; of other lists all, at most."""
MICRO_KEPT = 0.958
"""Share of the micro world's captions, as in the default run."""


@dataclass(frozen=True)
class Count:
    """A number of items, and how it is known: "" where it was counted."""

    items: int
    how: str = ""


def captions_of(config: Config, pool: str, results: Path) -> Count:
    """Captions of a pool."""
    found = _rows(results / f"captions/{pool}/captions.parquet")
    if found is not None:
        return Count(found)
    source: Any = config.pools[pool]
    if source.source == "micro":
        return Count(source.size)
    if source.source == "coco":
        images = sum(COCO.get(split, 0) for split in source.splits)
        times = 1 if source.captions == "one" else COCO_CAPTIONS
        return Count(images * times, f"{pool}: COCO's published sizes")
    if source.source == "openimages":
        return Count(NARRATIVES.get(source.split, 0), f"{pool}: about as many narratives as published for train")
    path = Path(config.data_dir, source.path)
    lines = _lines(path)
    if lines is not None:
        return Count(lines, f"{pool}: lines of {path}")
    return Count(0, f"{pool}: {path} is not there, so nothing is counted")


def kept_of(config: Config, pool: str, dataset: str, labels: str, results: Path) -> Count:
    """Captions of a pool that name a class of a data set."""
    found = _rows(results / f"captions/{pool}/{labels}/labelled.parquet")
    if found is not None:
        return Count(found)
    every, data = captions_of(config, pool, results), config.datasets[dataset]
    if config.pools[pool].source == "micro":
        return Count(round(every.items * MICRO_KEPT), f"{pool}: {MICRO_KEPT:.1%} name a class, as in the default run")
    share = KEPT.get(Path(data.classes).stem, 1.0)
    kept, how = round(every.items * share), every.how
    if share < 1:
        how = f"{every.how}; {share:.1%} of them name a class of {Path(data.classes).stem}"
    if data.cap and kept > data.cap * len(load_classes(data.classes).names):
        kept = data.cap * len(load_classes(data.classes).names)
        how = f"{pool}: at most {data.cap:,} captions for each class of {Path(data.classes).stem}"
    return Count(kept, how)


def images_of(config: Config, dataset: str, part: str, results: Path) -> Count:
    """Labelled images of a part of a data set."""
    found = _rows(results / f"images/{part}/{dataset}.parquet")
    if found is not None:
        return Count(found)
    source: Any = getattr(config.datasets[dataset], part)
    if source.source == "micro":
        return Count(source.size)
    known = {
        "coco": COCO,
        "voc": VOC,
        "nuswide": NUSWIDE if getattr(source, "images", "") == "all" else NUSWIDE_LABELLED,
    }.get(source.source)
    if known is not None:
        items = known.get(source.split, 0)
        return Count(
            items, f"{dataset}: the published size of {source.split}" + ("" if items else " is not known here")
        )
    folder = Path(config.data_dir, source.path)
    if folder.is_dir():
        return Count(sum(path.is_file() for path in folder.rglob("*")), f"{dataset}: files below {folder}")
    return Count(0, f"{dataset}: {folder} is not there, so nothing is counted")


def _rows(path: Path) -> int | None:
    """Rows of a result that is there."""
    if not path.exists():
        return None
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _lines(path: Path) -> int | None:
    if not path.is_file():
        return None
    if path.suffix == ".parquet":
        return _rows(path)
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())
