"""Real COCO captions and photographs through every stage up to features, with models of random weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml
from PIL import Image
from project import TINY, Project, copy_sources, merged

from t2ipal.store import read_parquet


def damaged(source: Path, target: Path) -> None:
    """A copy of the sample with what a real folder brings."""
    shutil.copytree(source, target)
    target.chmod(0o755)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    photos = sorted((target / "val2014").glob("*.jpg"))
    photos[0].unlink()
    photos[1].write_bytes(photos[1].read_bytes()[:2000])
    for place, mode in ((2, "L"), (3, "CMYK")):
        with Image.open(photos[place]) as photo:
            converted = photo.convert(mode)
        converted.save(photos[place])
    path = target / "annotations/captions_val2014.json"
    content = yaml.safe_load(path.read_text())
    content["annotations"] += [
        {"id": 10**9 + 1, "image_id": content["images"][0]["id"], "caption": " \n"},
        {"id": 10**9 + 2, "image_id": 999_999_999, "caption": "A dog without its image."},
    ]
    import json

    path.write_text(json.dumps(content))


def test_real_photographs_and_captions_pass_and_what_is_none_is_listed(
    real_data: Callable[..., Path], finished: Project, tmp_path: Path
) -> None:
    source = real_data("coco_mini")
    project = copy_sources(tmp_path / "project")
    shutil.copytree(finished.path / "models", project.path / "models")
    damaged(source, tmp_path / "data/coco_mini")
    overlay = yaml.safe_load((project.path / "config/coco_mini.yaml").read_text())
    tiny = {key: TINY[key] for key in ("text_to_image", "clip", "training")}
    (project.path / "tiny.yaml").write_text(yaml.safe_dump(merged(overlay, tiny)))
    result = project.run("features", "--config", f"data_dir={tmp_path / 'data'}")
    assert result.returncode == 0, result.stdout

    results = project.path / "results/coco_mini"
    rejects = read_parquet(results / "captions/coco/rejects.parquet").to_pylist()
    reasons = {row["reason"] for row in rejects}
    assert {"empty caption", "its image is not in the list of images"} <= reasons
    captions = read_parquet(results / "captions/coco/captions.parquet").num_rows
    labelled = read_parquet(results / "captions/coco/coco-default/labelled.parquet").num_rows
    unlabelled = read_parquet(results / "captions/coco/coco-default/rejects.parquet").num_rows
    assert captions == labelled + unlabelled

    images = read_parquet(results / "images/test/coco.parquet", ["image_id", "mode"])
    bad = read_parquet(results / "images/test/coco-rejects.parquet").to_pylist()
    assert len(bad) == 2
    assert {"L", "CMYK"} <= set(images["mode"].to_pylist())
    features = read_parquet(results / "features/micro/test/coco.parquet", ["id"])
    assert features["id"].to_pylist() == images["image_id"].to_pylist()
    drawn = read_parquet(results / "features/micro/images/coco/micro/sample0/shard-0.parquet", ["id"])
    assert drawn.num_rows == labelled
