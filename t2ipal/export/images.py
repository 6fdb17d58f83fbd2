"""Generated images with their captions and labels as a data set of Hugging Face's kind: Parquet files and a card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from t2ipal.errors import UserError
from t2ipal.export.folder import cell, new_folder, scalar
from t2ipal.store import open_parquet, parquet_writer, read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 256
"""Images in memory, and in a row group."""
COLUMNS = ("caption_id", "sample", "seed", "image", "flag")
SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp"}
"""How the files of each encoding begin."""


@dataclass
class Exported:
    """What was written.

    Attributes:
        images: their number.
        left_out: images that were left out, by the flaw that they are flagged with.
        labels: images by class.
        unlabelled: images left out because their caption has no labels: only unknown classes.
    """

    images: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    unlabelled: int = 0


def export_images(
    shards: Sequence[Path],
    labelled: Path,
    classes: Sequence[str],
    folder: Path,
    about: Mapping[str, Any],
    on_shard: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write `folder`/data/train-*.parquet, a file per shard, and `folder`/README.md, which says what they are.

    The columns are image, caption, labels and unknown (class labels), caption_id, sample and seed. Flagged images, and
    those whose caption has no labels, are left out and counted.

    Args:
        shards: files of generated images.
        labelled: captions with their labels.
        classes: names in the order of their indices.
        folder: a new or an empty one.
        about: title, model, settings, seed, filter, version, license, for the card.
        on_shard: called with the shards that are done, and all.

    Raises:
        UserError: the folder is not empty, a file is missing or damaged, or no image is left.
    """
    import pyarrow as pa

    with new_folder(folder) as part:
        captions = _captions(labelled)
        counts, schema = Exported(), _schema(classes)
        (part / "data").mkdir()
        for number, shard in enumerate(shards):
            with parquet_writer(part / f"data/train-{number:05d}-of-{len(shards):05d}.parquet", schema) as writer:
                for rows in _rows(shard, captions, classes, counts):
                    writer.write_table(pa.Table.from_pylist(rows, schema))
            if on_shard:
                on_shard(number + 1, len(shards))
        if not counts.images:
            flawed, rest = counts.left_out.total(), counts.unlabelled
            raise UserError(f"{folder}: no image is left: {flawed:,} flawed, {rest:,} without labels (expected some)")
        (part / "README.md").write_text(card(counts, classes, about), encoding="utf-8")
    return counts


def _captions(labelled: Path) -> dict[str, dict[str, Any]]:
    table = read_parquet(labelled, ["caption_id", "text", "positive", "unknown"])
    return {row["caption_id"]: row for row in table.to_pylist()}


def _rows(
    shard: Path, captions: Mapping[str, dict[str, Any]], classes: Sequence[str], counts: Exported
) -> Iterator[list[dict[str, Any]]]:
    with open_parquet(shard, list(COLUMNS)) as file:
        for batch in file.iter_batches(ROWS, columns=list(COLUMNS)):
            rows = []
            for image in batch.to_pylist():
                caption = captions.get(image["caption_id"])
                if image["flag"]:
                    counts.left_out[image["flag"]] += 1
                elif caption is None:
                    counts.unlabelled += 1
                else:
                    rows.append(_row(image, caption))
                    counts.images += 1
                    counts.labels.update(classes[index] for index in caption["positive"])
            yield rows


def _row(image: Mapping[str, Any], caption: Mapping[str, Any]) -> dict[str, Any]:
    content = image["image"]["bytes"]
    suffix = next((name for start, name in SUFFIXES.items() if content.startswith(start)), "img")
    return {
        "image": {"bytes": content, "path": f"{quote(image['caption_id'], safe='')}-{image['sample']}.{suffix}"},
        "caption": caption["text"],
        "labels": caption["positive"],
        "unknown": caption["unknown"],
        **{name: image[name] for name in ("caption_id", "sample", "seed")},
    }


def _schema(classes: Sequence[str]) -> pa.Schema:
    """The columns, and what the package `datasets` reads about them."""
    import pyarrow as pa

    named = {"feature": {"names": list(classes), "_type": "ClassLabel"}, "_type": "Sequence"}
    columns = {
        "image": (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"_type": "Image"}),
        "caption": (pa.string(), _value("string")),
        "labels": (pa.list_(pa.int64()), named),
        "unknown": (pa.list_(pa.int64()), named),
        "caption_id": (pa.string(), _value("string")),
        "sample": (pa.int64(), _value("int64")),
        "seed": (pa.int64(), _value("int64")),
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, (kind, _) in columns.items()], metadata)


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}


def card(counts: Exported, classes: Sequence[str], about: Mapping[str, Any]) -> str:
    """The card of the data set, in Markdown with the header that the hub reads."""
    from jinja2 import Environment, StrictUndefined

    text = files("t2ipal.export").joinpath("images_card.md").read_text(encoding="utf-8")
    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    made.filters |= {"cell": cell, "scalar": scalar}
    return made.from_string(text).render(counts=counts, classes=classes, about=about)
