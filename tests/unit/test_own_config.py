"""Data sets with photos in place of a test: what the config and the plan make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from configs import ROOT, default, merged, shipped
from docs_pages import blocks
from overlays import check_overlay

from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.plan.make import make_plan
from t2ipal.plan.runs import evaluated_datasets

NO_LABELS: dict[str, Any] = {"partial": None, "novel": None, "few_shot": None, "ablations": {}}


def overlay(tmp_path: Path, classes: str = "dog\ncat\n", **dataset: Any) -> dict[str, Any]:
    (tmp_path / "classes.txt").write_text(classes)
    mine = {"title": "mine", "classes": str(tmp_path / "classes.txt"), "pool": "micro", "photos": {"path": "photos"}}
    return merged(default(), {"datasets": {"micro": None, "mine": {**mine, **dataset}}})


def test_photos_alone_are_predicted_and_fill_no_table(tmp_path: Path) -> None:
    config = load_config(overlay(tmp_path) | {"methods": ["zsclip", "t2i_pal"], "partial": None, "novel": None})
    plan = make_plan(config)
    assert evaluated_datasets(config) == {}
    assert plan.tables == {}
    assert set(plan.runs) == {("mine", name, "base") for name in ("zsclip", "t2i_pal")}
    assert plan.sweeps["fig3a"] == {}


def test_beside_a_tested_data_set_photos_are_in_no_cell(tmp_path: Path) -> None:
    data = overlay(tmp_path)
    data["datasets"]["micro"] = default()["datasets"]["micro"]
    plan = make_plan(load_config(data | {"methods": ["tai_dpt", "t2i_pal"], "extra": {}, **NO_LABELS}))
    cells = [cell for table in plan.tables.values() for cell in table.cells]
    assert cells
    assert {cell.run[0] for cell in cells} == {"micro"}
    assert ("mine", "t2i_pal", "base") in plan.runs
    assert [column.key for column in plan.tables["table1"].columns] == ["micro"]
    assert set(plan.sweeps["fig3a"]) == {"micro"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"photos": None}, "config: datasets.mine.test: missing (expected labelled test images, or photos)"),
        ({"photos": {"pth": "x"}}, "config: datasets.mine.photos: unknown key 'pth' (did you mean 'path'?)"),
        ({"photos": {"path": "x", "top": 0}}, "config: datasets.mine.photos.top: 0 is not >= 1"),
        ({"photos": {"source": "coco", "path": "x"}}, "config: datasets.mine.photos.source: 'coco' is not 'folder'"),
        ({"classes": "dog\ncat\ndog\n"}, "class 'dog' occurs twice"),
        ({"classes": "Dog\ncat\ndog\n"}, "config: datasets.mine.classes: 'Dog' and 'dog' are one name"),
        ({"classes": "dog\n"}, "config: datasets.mine.classes: one class, but tai_dpt learns by ranking"),
        ({"classes": ""}, "no class; expected at least one"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan(load_config(overlay(tmp_path, **change)))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_one_class_is_enough_for_what_learns_nothing(tmp_path: Path) -> None:
    plan = make_plan(load_config(overlay(tmp_path, classes="dog\n") | {"methods": ["zsclip"], "ablations": {}}))
    assert ("mine", "zsclip", "base") in plan.runs


def test_500_classes_are_a_plan(tmp_path: Path) -> None:
    names = "".join(f"thing {number}\n" for number in range(500))
    assert make_plan(load_config(overlay(tmp_path, classes=names) | {"methods": ["zsclip", "t2i_pal"]})).runs


def test_with_labels_the_template_has_table_1_with_cf1_and_of1(tmp_path: Path) -> None:
    """As docs/own_data.md says."""
    template = shipped("config/own_data.yaml")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    mine = template["datasets"]["mine"] | {"classes": str(tmp_path / "classes.txt")}
    (labels,) = [text for text in blocks(ROOT / "docs/own_data.md", "yaml") if "validation" in text]
    mine |= yaml.safe_load(labels)["datasets"]["mine"]

    def headers(dataset: dict[str, Any]) -> list[str]:
        plan = make_plan(load_config(merged(default(), template | {"datasets": {"micro": None, "mine": dataset}})))
        return [column.header for column in plan.tables["table1"].columns]

    assert headers(mine) == ["My photos, mAP", "My photos, CF1", "My photos, OF1"]
    assert headers(mine | {"validation": None}) == ["My photos"]


def test_the_template_is_valid_and_each_key_has_a_comment(tmp_path: Path) -> None:
    text = (ROOT / "config/own_data.yaml").read_text("utf-8")
    template = yaml.safe_load(text)
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    template["datasets"]["mine"]["classes"] = str(tmp_path / "classes.txt")  # the reader's own
    config = load_config(merged(default(), template))
    plan = make_plan(config)
    assert list(plan.runs) == [("mine", "t2i_pal", "base")]
    assert plan.tables == {}
    assert plan.sweeps == {}
    assert config.clip[config.use.clip].model == "RN101"
    check_overlay(config, text)
