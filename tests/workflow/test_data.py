"""NUS-WIDE and localized narratives through the workflow, and what check_data says before anything is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from nuswide_toy import EXPECTED, nested, tree
from project import Project, copy_sources

from t2ipal.store import read_parquet


@pytest.fixture
def nuswide(tmp_path: Path) -> Project:
    """The project with the overlay of NUS-WIDE on three classes, and no data yet."""
    project = copy_sources(tmp_path / "project")
    (project.path / "three.txt").write_text("birds\nsky\nwhales\n")
    overlay = yaml.safe_load((project.path / "config/nuswide.yaml").read_text())
    overlay["datasets"]["nuswide"] |= {"classes": "three.txt", "filter": "tai_dpt", "words": 3, "cap": 1}
    # Table 1 alone: the others need the training images as well
    overlay |= {"partial": None, "few_shot": None}
    overlay["ablations"] = dict.fromkeys(("table5", "table6", "supplement", "calibration"))
    (project.path / "tiny.yaml").write_text(yaml.safe_dump(overlay))
    return project


def write_narratives(path: Path) -> None:
    path.mkdir(parents=True)
    texts = ["Some birds and whales", "A bird", "Birds in the sky", "Whales", "There is a bird", "Nothing"]
    rows = [{"dataset_id": "x", "image_id": f"{k:016x}", "annotator_id": 1, "caption": text}
            for k, text in enumerate(texts)]  # fmt: skip
    (path / "open_images_train_v6_captions.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_nothing_is_there_then_everything(nuswide: Project) -> None:
    empty = nuswide.run("check_data")
    assert empty.returncode != 0
    errors = [line for line in empty.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, empty.stdout
    for place in ("OpenImages/captions/open_images_train_v6_captions.jsonl", "ImageList/TestImagelist.txt",
                  "Groundtruth/TrainTestLabels/Labels_airport_Test.txt", "NUSWIDE/Flickr"):  # fmt: skip
        assert place in errors[0]
    assert len(re.findall(r"^ +MISSING ", empty.stdout, re.MULTILINE)) == 4
    assert len(re.findall(r"^ +get it: .*https://", empty.stdout, re.MULTILINE)) == 4

    data = nuswide.path / "data"
    write_narratives(data / "OpenImages/captions")
    tree(data / "NUSWIDE")
    nested(data / "NUSWIDE")
    full = nuswide.run("check_data")
    assert full.returncode != 0
    assert "4 of 4 listed images are there" in full.stdout
    assert re.findall(r"^ +MISSING (.*) \(", full.stdout, re.MULTILINE) == [
        "datasets.nuswide.test: no image of 'whales'"
    ], full.stdout

    result = nuswide.run("captions", "results/nuswide/images/test/nuswide.parquet")
    assert result.returncode == 0, result.stdout
    results = nuswide.path / "results/nuswide"
    labelled = read_parquet(results / "captions/openimages/three-tai_dpt-words3-cap1/labelled.parquet").to_pylist()
    rejects = read_parquet(results / "captions/openimages/three-tai_dpt-words3-cap1/rejects.parquet").to_pylist()
    # birds 3, whales 1, sky 0 in the first three words
    assert [(row["text"], row["positive"]) for row in labelled] == [("Some birds and whales", [0]), ("Whales", [2])]
    assert {row["text"]: row["reason"] for row in rejects} == {
        "A bird": "its rarest class has enough captions",
        "Birds in the sky": "its rarest class has enough captions",
        "There is a bird": "no class noun",
        "Nothing": "no class noun",
    }
    rows = read_parquet(results / "images/test/nuswide.parquet").to_pylist()
    assert {row["image_id"]: tuple(row["labels"]) for row in rows} == EXPECTED

    # a label that changes is read again, and one that does not is not
    label = data / "NUSWIDE/Groundtruth/TrainTestLabels/Labels_birds_Test.txt"
    target = "results/nuswide/images/test/nuswide.parquet"
    assert nuswide.planned(target) == {}
    label.write_text("1\n1\n1\n1\n")
    assert nuswide.planned(target) == {"labelled_images": 1}


def test_a_missing_image_of_nuswide_ends_the_job_in_one_line(nuswide: Project) -> None:
    root = nuswide.path / "data/NUSWIDE"
    tree(root)
    nested(root)
    (root / "Flickr/beach/0007_777.jpg").unlink()
    result = nuswide.run("results/nuswide/images/test/nuswide.parquet")
    lines = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert result.returncode != 0
    assert lines == [
        "error: data/NUSWIDE: 1 of 4 listed images are missing, the first is data/NUSWIDE/Flickr/beach/0007_777.jpg; "
        "expected at most 0 (key `missing`)"
    ]
