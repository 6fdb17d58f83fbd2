"""Classes without an image, told before anything is generated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from configs import default, merged
from nuswide_toy import tree

from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.label_check import check_labels
from t2ipal.plan.make import make_plan
from t2ipal.sources.class_counts import find_classes
from t2ipal.sources.registry import image_source

CLASSES = ("dog", "cat", "sheep")
BARE = {
    "extra": None,
    "ablations": {},
    "sweeps": {},
    "search": {},
    **dict.fromkeys(("score_rules", "partial", "novel", "few_shot")),
}


def check(folder: Path, rows: dict[str, str], **changes: Any) -> None:
    """Check a data set whose test and train images have these tables of labels."""
    (folder / "classes.txt").write_text("\n".join(CLASSES), "utf-8")
    (folder / "photos").mkdir()
    for part, text in rows.items():
        (folder / f"{part}.csv").write_text(f"image,{','.join(CLASSES)}\n{text}", "utf-8")
    parts = {part: {"source": "folder", "path": "photos", "labels": f"{part}.csv"} for part in {"test", "train", *rows}}
    mine = {"title": "mine", "classes": str(folder / "classes.txt"), "pool": "micro", **parts}
    data = {**default(), **BARE, "extra": {}, "data_dir": str(folder), "methods": ["zsclip"], **changes}
    config = load_config({**data, "datasets": {"mine": mine}})
    check_labels(config, make_plan(config))


WHOLE = "a.jpg,1,0,0\nb.jpg,0,1,1\n"


def test_a_class_without_a_test_image_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^config: datasets\.mine\.test: no image of 'cat', 'sheep' \(expected a test"):
        check(tmp_path, {"test": "a.jpg,1,-1,0\nb.jpg,0,0,0\n"})  # difficult is no positive


def test_validation_images_without_any_class_are_one_line(tmp_path: Path) -> None:
    """They would make thresholds of nothing. A class or two may be missing."""
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"^config: datasets\.mine\.validation: no image of any class \(expected some"):
        check(tmp_path, {"test": WHOLE, "validation": "c.jpg,0,0,0\nd.jpg,-1,0,0\n"})
    check(tmp_path / "b", {"test": WHOLE, "validation": "c.jpg,0,0,1\n"})


def test_each_class_with_a_test_image_is_enough(tmp_path: Path) -> None:
    check(tmp_path, {"test": WHOLE})  # train images are not there, and nobody reads them


@pytest.mark.parametrize(
    "protocol",
    [
        {"few_shot": {"levels": [1], "methods": ["coop"]}},
        {"novel": {"levels": [1], "methods": ["laso"], "classes": ["sheep"]}},
    ],
)
def test_few_shot_samples_need_an_image_of_each_class(tmp_path: Path, protocol: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^config: datasets\.mine\.train: no image of 'sheep' \(expected a training"):
        check(tmp_path, {"test": WHOLE, "train": "a.jpg,1,0,0\nb.jpg,0,1,0\n"}, **protocol)


def test_a_method_that_learns_from_all_labels_needs_no_image_of_each_class(tmp_path: Path) -> None:
    check(tmp_path, {"test": WHOLE, "train": "a.jpg,1,0,0\n"}, methods=["oracle"])


def test_labels_that_are_malformed_are_told_as_early(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test\.csv: line 2: "):
        check(tmp_path, {"test": "a.jpg,1,yes,0\n"})


def test_the_default_and_missing_tables_are_not_read(tmp_path: Path) -> None:
    config = load_config(merged(default(), {}))
    check_labels(config, make_plan(config))
    check(tmp_path, {})


@pytest.mark.parametrize("kind", ["coco", "nuswide", "voc"])
def test_large_sources_are_counted_by_check_data(tmp_path: Path, kind: str) -> None:
    classes, spec = tmp_path / "classes.txt", {"coco": _coco, "nuswide": tree, "voc": _voc}[kind](tmp_path)
    there, none = {"coco": ("dog", "cat"), "nuswide": ("birds", "whales"), "voc": ("dog", "cat")}[kind]
    source = image_source(spec)
    classes.write_text(there)
    assert find_classes("a.test", "test", source, str(classes)) == []
    classes.write_text(f"{there}\n{none}")
    (found,) = find_classes("a.test", "test", source, str(classes))
    assert found.text.startswith(f"no image of '{none}' (expected a test image")
    assert found.missing
    classes.write_text("zeppelin")
    (found,) = find_classes("a.test", "test", source, str(classes))
    assert "zeppelin" in found.text
    elsewhere = image_source({**spec, "root": str(tmp_path / "elsewhere")})
    assert find_classes("a.test", "test", elsewhere, str(classes)) == []  # that it is missing is another finding


def _coco(root: Path) -> dict[str, str]:
    names = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    shown = [{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 1}, {"image_id": 9, "category_id": 2}]
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "categories": names, "annotations": shown}
    (root / "instances_val.json").write_text(json.dumps(content))
    return {"source": "coco", "root": str(root), "split": "val"}


def _voc(root: Path) -> dict[str, str]:
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (root / "Annotations").mkdir()
    for name, text in {"test": "1\n2\n", "dog_test": "1 1\n2 -1\n", "cat_test": "1 -1\n2 0\n"}.items():
        (main / f"{name}.txt").write_text(text)
    return {"source": "voc", "root": str(root), "split": "test"}
