"""The micro world as a source of captions and of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from image_sets import Classes, Entry

from t2ipal.errors import UserError
from t2ipal.images.encode import decode
from t2ipal.micro import scenes
from t2ipal.sources.image_rows import write_image_set
from t2ipal.sources.registry import caption_source, image_source


def test_captions() -> None:
    rows = list(caption_source({"source": "micro", "size": 5}).read(seed=0))
    assert [row.caption_id for row in rows] == [f"micro-{index:07d}" for index in range(5)]
    assert rows == list(caption_source({"source": "micro", "size": 6}).read(seed=0))[:5]
    assert rows != list(caption_source({"source": "micro", "size": 5}).read(seed=1))


def test_images(tmp_path: Path) -> None:
    classes = Classes(tuple(Entry(name) for name in scenes.CLASSES[::-1]))
    source = {"source": "micro", "size": 12}
    images = image_source(source).read(classes, seed=3)
    counts = write_image_set(images, classes.names, tmp_path / "a.parquet", tmp_path / "r.parquet")
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert counts.rows == len(rows) == 12
    assert rows[5]["image_id"] == "test-000005"
    for number, row in enumerate(rows):
        scene = scenes.scene_of("test", number, 3)
        assert np.array_equal(np.asarray(decode(row["image"]["bytes"])), scenes.render(scene, 64))
        shown = {name for name, label in zip(classes.names, row["labels"], strict=True) if label}
        assert shown == {scenes.CLASSES[label] for label in scene.labels}
    more = list(image_source(source | {"size": 14}).read(classes, role="test", seed=3))
    assert [row.labels for row in more[:12]] == [tuple(row["labels"]) for row in rows]
    other = list(image_source(source).read(classes, role="train", seed=3))
    assert not {row.data for row in other} & {row["image"]["bytes"] for row in rows}
    with pytest.raises(UserError, match="no category for class 'unicorn'"):
        list(image_source(source).read(Classes((Entry("unicorn"),))))
