"""How many captions and images a config has: counted if possible, else published sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.classes import load_classes
from t2ipal.sources.base import Counted
from t2ipal.validation import located

if TYPE_CHECKING:
    from t2ipal.config.schema import Config


def captions_of(config: Config, pool: str, results: Path) -> Counted:
    """Captions of a pool."""
    rows = _rows(results / f"captions/{pool}/captions.parquet")
    return _named(pool, located(config.pools[pool], config.data_dir).count()) if rows is None else Counted(rows)


def kept_of(config: Config, pool: str, dataset: str, labels: str, results: Path) -> Counted:
    """Captions of a pool that name a class of a data set."""
    rows = _rows(results / f"captions/{pool}/{labels}/labelled.parquet")
    if rows is not None:
        return Counted(rows)
    every, data = captions_of(config, pool, results), config.datasets[dataset]
    class_list = Path(data.classes).stem
    share, why = config.pools[pool].kept_share(data.classes)
    kept, how = round(every.items * share), "; ".join(filter(None, (every.how, why if every.how else f"{pool}: {why}")))
    most = data.cap * len(load_classes(data.classes).names) if data.cap else kept
    if kept > most:
        return Counted(most, f"{pool}: at most {data.cap:,} captions for each class of {class_list}")
    return Counted(kept, how)


def images_of(config: Config, dataset: str, part: str, results: Path) -> Counted:
    """Labelled images of a part of a data set."""
    rows = _rows(results / f"images/{part}/{dataset}.parquet")
    source = getattr(config.datasets[dataset], part)
    return _named(dataset, located(source, config.data_dir).count()) if rows is None else Counted(rows)


def photos_of(config: Config, dataset: str) -> Counted:
    """Photos of a data set that are predicted."""
    return _named(dataset, located(config.datasets[dataset].photos.images, config.data_dir).count())


def _named(name: str, counted: Counted) -> Counted:
    """The same, saying of what where it was not counted."""
    return Counted(counted.items, f"{name}: {counted.how}" if counted.how else "")


def _rows(path: Path) -> int | None:
    """Rows of a result that is there."""
    if not path.exists():
        return None
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows
