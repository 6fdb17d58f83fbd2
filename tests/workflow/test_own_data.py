"""Own classes, captions and photos through the workflow: a recogniser, predictions, a page; and users' mistakes."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from project import NONE, TINY, Project, copy_project, copy_sources, make_models, merged, one_error
from warm import run_python

from t2ipal.micro.scenes import render, scene_of
from t2ipal.store import read_parquet

CLASSES = ("dog", "cat", "traffic light", "unicorn")
CAPTIONS = [
    "A dog and a cat",
    "Two dogs",
    "a red traffic light",
    "Nothing at all",
    "a cat by a traffic light",
    "a puppy",
]
OWN: dict[str, Any] = {
    "name": "own",
    "data_dir": "my data é",
    "pools": {"micro": None, "mine": {"source": "text", "path": "my captions.csv"}},
    "datasets": {
        "micro": None,
        "mine": {"title": "Mine", "classes": "my data é/classes.txt", "pool": "mine", "photos": {"path": "my photos"}},
    },
    "methods": ["t2i_pal"],
    "partial": None,
    "novel": None,
    "few_shot": None,
    "ablations": NONE(("table5", "table6", "supplement", "calibration")),
    "sweeps": NONE(("fig3a", "fig3b", "fig3c", "fig4")),
    "extra": NONE(("zsclip_sparc", "tai_dpt_sparc", "t2i_pal_sparc", "t2i_pal_shared")),
    "training": {"epochs": 2, "batch": 4, "templates": 2},
}


def write_data(folder: Path, photos: int = 9) -> None:
    """Classes, captions and photos, with spaces and accents in their names; one photo is none."""
    (folder / "my photos/été").mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES), "utf-8")
    with (folder / "my captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["caption"], *([text] for text in CAPTIONS)])
    for number in range(photos):
        name = f"{'été/' if number > 5 else ''}photo {number}.jpg"
        Image.fromarray(render(scene_of("test", number, 0), 80)).save(folder / "my photos" / name)
    (folder / "my photos/broken one.jpg").write_bytes(b"\xff\xd8 nothing")
    (folder / "my photos/notes.txt").write_text("no photo")


def configure(project: Project, change: dict[str, Any] | None = None) -> None:
    tiny = {
        key: value for key, value in TINY.items() if key in ("seeds", "text_to_image", "clip", "settings", "bootstrap")
    }
    (project.path / "tiny.yaml").write_text(yaml.safe_dump(merged(merged(tiny, OWN), change or {}), allow_unicode=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project of one's own after `snakemake --cores 2` as users type it, and what that said."""
    project = copy_sources(tmp_path_factory.mktemp("own") / "my project")
    make_models(project.path / "models")
    write_data(project.path / OWN["data_dir"])
    configure(project)
    result = project.run_command(timeout=1200)
    assert result.returncode == 0, result.stdout[-6000:]
    assert "leaked" not in result.stdout, "what a library says of objects that outlive it is no news to anyone"
    return project, result.stdout


@pytest.fixture
def own(trained: tuple[Project, str], tmp_path: Path) -> Project:
    return copy_project(trained[0], tmp_path / "project")


@pytest.fixture(scope="module")
def mistaken(trained: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy for mistakes in the config, each of which ends a run with an error; and lists of classes for them."""
    copy = copy_project(trained[0], tmp_path_factory.mktemp("mistaken") / "project")
    lists = {"twice": "dog\ncat\ndog\n", "one": "dog\n", "other": "zeppelin\nwalrus\n"}
    for name, text in lists.items():
        (copy.path / OWN["data_dir"] / f"{name}.txt").write_text(text)
    with copy.with_modules() as project:
        yield project


def results(project: Project, name: str) -> Path:
    return project.path / "results/own" / name


def test_a_recogniser_its_predictions_and_a_page_are_made(trained: tuple[Project, str]) -> None:
    project, said = trained
    assert "dog" in said
    assert "puppy" in said
    assert "warning: 1 class is in no caption: unicorn" in said
    assert "9 of 10 photos read, 1 unreadable: my data é/my photos/broken one.jpg (not an image file)" in said
    assert results(project, "recognisers/mine/t2i_pal.safetensors").is_file()
    table = read_parquet(results(project, "predictions/mine/t2i_pal.parquet"))
    rows = table.to_pylist()
    assert table.schema.metadata[b"classes"].decode().split("\n") == list(CLASSES)
    assert [row["photo"] for row in rows if row["problem"]] == ["my data é/my photos/broken one.jpg"]
    assert sum("été/" in row["photo"] for row in rows) == 3
    assert all(len(row["top"]) == 4 for row in rows if not row["problem"])
    with results(project, "predictions/mine/t2i_pal.csv").open(newline="", encoding="utf-8") as file:
        assert [line["photo"] for line in csv.DictReader(file)] == [row["photo"] for row in rows]
    page = results(project, "predictions/mine/t2i_pal.html").read_text("utf-8")
    assert "9 of 10 photos read" in page
    words = read_parquet(results(project, "captions/mine/classes-default/words.parquet")).to_pylist()
    assert {row["class"]: row["captions"] for row in words} == {"dog": 3, "cat": 2, "traffic light": 2, "unicorn": 0}


def test_nothing_is_measured_without_labels(trained: tuple[Project, str]) -> None:
    made = {path.name for path in (trained[0].path / "results/own").iterdir()}
    assert not made & {"tables", "figures"}
    assert not results(trained[0], "report/claims.html").exists()
    assert trained[0].planned() == {}


def test_only_what_depends_on_a_change_runs_again(own: Project) -> None:
    photos = own.path / OWN["data_dir"] / "my photos"
    shutil.copy(photos / "été/photo 6.jpg", photos / "été/photo 6 again.jpg")
    assert own.planned() == {"predict": 1}
    result = own.run(timeout=600)
    assert result.returncode == 0, result.stdout
    rows = read_parquet(results(own, "predictions/mine/t2i_pal.parquet")).to_pylist()
    scores = {Path(row["photo"]).name: row["scores"] for row in rows if not row["problem"]}
    assert len(rows) == 11
    assert scores["photo 6 again.jpg"] == pytest.approx(scores["photo 6.jpg"], abs=1e-3)  # in another row of the batch
    configure(own, {"datasets": {"mine": {"photos": {"top": 2}}}})
    assert own.planned() == {"predict": 1}


def test_predictions_are_the_scores_of_the_evaluation(own: Project) -> None:
    """The same photos as a labelled test set, and labelled validation images for a threshold."""
    data = own.path / OWN["data_dir"]
    (data / "my photos/notes.txt").unlink()  # a test set takes every file for an image
    names = [path.relative_to(data / "my photos").as_posix() for path in sorted((data / "my photos").rglob("*.jpg"))]
    names.remove("broken one.jpg")
    with (data / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        lines = [[name, *(int((place + shift) % 3 == 0) for shift in range(4))] for place, name in enumerate(names)]
        csv.writer(file).writerows([["image", *CLASSES], *lines])
    shutil.copy(data / "labels.csv", data / "validation.csv")
    labelled = {"source": "folder", "path": "my photos", "labels": "labels.csv"}
    configure(
        own,
        {
            "datasets": {"mine": {"test": labelled, "validation": {**labelled, "labels": "validation.csv"}}},
            "methods": ["zsclip", "t2i_pal"],
        },
    )
    with own.with_modules(jobs=True) as warm:
        result = warm.run(timeout=1200)
    assert result.returncode == 0, result.stdout[-4000:]
    assert results(own, "tables/table1.md").exists()
    for method in ("zsclip", "t2i_pal"):
        rows = read_parquet(results(own, f"runs/mine/{method}/base/scores.parquet")).to_pylist()
        seeds: dict[str, list[list[float]]] = {}
        for row in rows:
            if row["part"] == "test":
                seeds.setdefault(row["image_id"], []).append(row["scores"])
        predicted = read_parquet(results(own, f"predictions/mine/{method}.parquet")).to_pylist()
        found = {row["photo"].split("my photos/")[1]: row for row in predicted if not row["problem"]}
        assert found.keys() == seeds.keys()
        for name, row in found.items():
            assert np.abs(np.mean(seeds[name], axis=0) - row["scores"]).max() < 1e-6
            assert row["labels"] is not None


def test_the_recogniser_works_without_snakemake(trained: tuple[Project, str], tmp_path: Path) -> None:
    project = trained[0]
    model = results(project, "recognisers/mine/t2i_pal.safetensors")
    photos = project.path / OWN["data_dir"] / "my photos"
    command = ["-m", "t2ipal", "predict", "--model", str(model), "--parquet", str(tmp_path / "p.parquet"), str(photos)]
    result = run_python(command, project.path)
    assert result.returncode == 0, result.stderr
    here = read_parquet(tmp_path / "p.parquet").to_pylist()
    there = read_parquet(results(project, "predictions/mine/t2i_pal.parquet")).to_pylist()
    assert [row["problem"] for row in here] == [row["problem"] for row in there]
    scores = [[row["scores"] for row in rows if row["scores"]] for rows in (here, there)]
    assert np.abs(np.subtract(*scores)).max() < 1e-3  # a job has one thread, a command all: sums may differ in a bit


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"datasets": {"mine": {"photos": {"path": "none"}}}}, ["config: datasets.mine.photos.path: my data é/none"]),
        ({"datasets": {"mine": {"classes": "my data é/none.txt"}}}, ["config: datasets.mine.classes", "none.txt"]),
        ({"datasets": {"mine": {"classes": "my data é/twice.txt"}}}, ["twice.txt", "'dog' occurs twice"]),
        ({"datasets": {"mine": {"classes": "my data é/one.txt"}}}, ["datasets.mine.classes: one class", "zsclip"]),
        ({"datasets": {"mine": {"classes": "my data é/other.txt"}}}, ["none of 6 captions names a class"]),
        ({"pools": {"mine": {"path": "none.csv"}}}, ["config: pools.mine.path: my data é/none.csv"]),
    ],
)
def test_a_mistake_is_one_line(mistaken: Project, change: dict[str, Any], parts: list[str]) -> None:
    configure(mistaken, change)
    one_error(mistaken.run(), *parts)


def test_photos_none_of_which_can_be_read_are_one_line(mistaken: Project) -> None:
    folder = mistaken.path / OWN["data_dir"] / "bad"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    configure(mistaken, {"datasets": {"mine": {"photos": {"path": "bad"}}}})
    one_error(mistaken.run(), "not one of 1 photos could be read", "a.jpg: not an image file")


def test_check_data_names_missing_photos(mistaken: Project) -> None:
    configure(mistaken)
    assert mistaken.run("check_data").returncode == 0
    configure(mistaken, {"datasets": {"mine": {"photos": {"path": "none"}}}})
    one_error(mistaken.run("check_data"), "datasets.mine.photos.path: my data é/none")
