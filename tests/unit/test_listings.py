"""The state of files as a parameter of rules: what changes it, and what does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from configs import default, merged

from t2ipal import backbones
from t2ipal.classes import load_classes
from t2ipal.config import load_config
from t2ipal.images.settings import model_files
from t2ipal.listings import SMALL, files_of, state_of
from t2ipal.plan import queries
from t2ipal.plan.make import make_plan
from t2ipal.sources.registry import IMAGE_SOURCES, image_source
from t2ipal.sources.text import TextCaptions
from t2ipal.store import read_parquet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("photos/a.jpg", "photos/sub/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "photos"


def later(folder: Path) -> None:
    (folder / "sub/c.jpg").write_text("new")


def gone(folder: Path) -> None:
    (folder / "sub/b.jpg").unlink()


def renamed(folder: Path) -> None:
    (folder / "a.jpg").rename(folder / "z.jpg")


def older(folder: Path) -> None:
    """Replaced by a file of equal length that is older than all results, as `mv` and `cp -p` do."""
    (folder / "a.jpg").write_text("photos/z.jpg")
    os.utime(folder / "a.jpg", (1, 1))


def longer(folder: Path) -> None:
    about = (folder / "a.jpg").stat()
    (folder / "a.jpg").write_text("another photo")
    os.utime(folder / "a.jpg", ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.parametrize("change", [later, gone, renamed, older, longer], ids=lambda change: change.__name__)
def test_a_file_that_comes_goes_or_is_replaced_in_a_folder_changes_its_state(folder: Path, change) -> None:
    before = state_of([folder])
    assert state_of([folder]) == before
    change(folder)
    assert state_of([folder]) != before


def test_links_loops_and_what_cannot_be_read_are_part_of_the_state(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    (folder / "sub/up").symlink_to("..")
    (folder / "gone.jpg").symlink_to("/nowhere")
    (folder / ".hidden").write_text("")
    os.mkfifo(folder / "pipe")
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "linked").symlink_to(outside)
    before = state_of([folder])
    (folder / ".hidden").write_text("hidden")
    assert state_of([folder]) == before
    (outside / "d.jpg").write_text("photo")
    assert state_of([folder]) != before
    assert sorted(path.name for path in files_of(folder)) == ["a.jpg", "b.jpg", "d.jpg", "gone.jpg", "pipe"]


def test_a_small_file_counts_by_content_and_a_large_one_by_size_and_time(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_text("a")
    large.write_bytes(bytes(SMALL + 1))
    states = state_of([small]), state_of([large])
    for path in (small, large):
        os.utime(path, (1, 1))
    assert state_of([small]) == states[0]
    assert state_of([large]) != states[1]
    small.write_text("b")
    assert state_of([small]) != states[0]
    assert state_of([tmp_path / "none"]) != state_of([])
    assert state_of([]) == ""


def test_a_hundred_thousand_photos_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(1_000):
        os.close(os.open(tmp_path / f"{number:05d}.jpg", os.O_CREAT | os.O_WRONLY))
    start = time.process_time()
    state_of([tmp_path])
    assert time.process_time() - start < 0.3  # a hundredth of them, and far from tight: it takes 0.01 s


def test_a_model_without_a_manifest_is_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "pipeline"
    for name in ("model_index.json", "unet/weights.safetensors", "vae/weights.safetensors", ".git/head"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    before = state_of(model_files(str(folder)))
    assert [path.name for path in model_files(str(folder))] == ["model_index.json", *["weights.safetensors"] * 2]
    (folder / "vae/weights.safetensors").write_text("fine-tuned")
    assert state_of(model_files(str(folder))) != before
    clip = tmp_path / "clip.safetensors"
    clip.write_text("one")
    before = state_of(backbones.files(str(clip)))
    clip.write_text("two")
    assert state_of(backbones.files(str(clip))) != before


def test_every_source_names_all_that_it_reads(tmp_path: Path) -> None:
    for name in ("val2014/1.jpg", "annotations/instances_val2014.json", "ImageSets/Main/test.txt", "JPEGImages/1.jpg",
                 "Annotations/1.xml", "Flickr/a/1.jpg", "photos/1.jpg", "labels.csv", "shards/1.tar"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    root = str(tmp_path)
    asked = {
        "micro": ({"size": 1}, ()),
        "coco": ({"root": root, "split": "val2014"}, ("val2014/1.jpg", "annotations/instances_val2014.json")),
        "voc": ({"root": root}, ("JPEGImages/1.jpg", "Annotations/1.xml", "ImageSets/Main/test.txt")),
        "nuswide": ({"root": root}, ("Flickr/a/1.jpg",)),
        "folder": ({"path": f"{root}/photos", "labels": f"{root}/labels.csv"}, ("photos/1.jpg", "labels.csv")),
        "huggingface": ({"path": f"{root}/photos"}, ("photos/1.jpg",)),
        "webdataset": ({"path": f"{root}/shards"}, ("shards/1.tar",)),
    }
    assert len(IMAGE_SOURCES) == len(asked)
    for name, (settings, files) in asked.items():
        source = image_source({"source": name, **settings})
        for file in files:
            before = state_of(source.reads())
            (tmp_path / file).write_text("another")
            assert state_of(source.reads()) != before, (name, file)
        assert bool(source.reads()) == bool(files)
    (tmp_path / "captions.txt").write_text("a cat")
    captions = TextCaptions(source="text", path=str(tmp_path / "captions.txt"))
    assert captions.reads() == [tmp_path / "captions.txt"]


def test_an_image_set_is_another_file_after_a_photograph_is_replaced(tmp_path: Path) -> None:
    """Snakemake compares small files by content: features of the old photograph would stay."""
    from PIL import Image

    from t2ipal.sources.folder import FolderImages
    from t2ipal.sources.image_rows import write_image_set

    photo = tmp_path / "photos/a.png"
    photo.parent.mkdir()
    source = FolderImages(source="folder", path=str(photo.parent))
    contents = []
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(photo)
        rows = source.read(load_classes("voc2007"))
        files = (tmp_path / "set.parquet", tmp_path / "rejects.parquet")
        write_image_set(rows, ["a"], *files, state=state_of(source.reads()))
        contents.append(files[0].read_bytes())
    assert contents[0] != contents[1]
    assert read_parquet(files[0]).num_rows == 1


def lists(folder: Path, *texts: str) -> list[str]:
    paths = [folder / f"{number}/classes.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return [str(path) for path in paths]


def names_of(paths: list[str]) -> tuple[list[str], list[str]]:
    micro = default()["datasets"]["micro"]
    none = {
        "extra": {},
        "ablations": {},
        "sweeps": {},
        **dict.fromkeys(("score_rules", "partial", "novel", "few_shot")),
    }
    datasets = {f"set{number}": {**micro, "classes": path} for number, path in enumerate(paths)}
    config = load_config({**merged(default(), {}), **none, "methods": ["tai_dpt"], "datasets": datasets})
    plan = make_plan(config)
    names = [queries.labels_name(config, name) for name in datasets]
    assert [queries.labels_owner(config, plan, "micro", name) for name in names] == [
        f"set{names.index(name)}" for name in names
    ]
    return [queries.classes_name(config, name) for name in datasets], names


def test_class_lists_of_one_file_name_are_told_apart_by_their_content(tmp_path: Path) -> None:
    classes, labels = names_of(lists(tmp_path, "dog\ncat\n", "sheep\ncat\n", "dog\ncat\n"))
    assert classes[0] == classes[2] != classes[1]
    assert all(name.startswith("classes-") for name in classes)
    assert labels == [f"{name}-default" for name in classes]
    digests = {load_classes(tmp_path / f"{number}/classes.txt").digest for number in range(3)}
    assert {name.removeprefix("classes-") for name in classes} == digests
    # alone, or of equal content, a list is called as its file
    assert names_of(lists(tmp_path, "dog\ncat\n", "dog\ncat\n"))[1] == ["classes-default"] * 2


def test_words_are_part_of_a_class_lists_content(tmp_path: Path) -> None:
    plain, rich = tmp_path / "a.yaml", tmp_path / "b.yaml"
    plain.write_text("classes: [dog, cat]")
    rich.write_text("classes: [{name: dog, synonyms: [hound]}, cat]")
    assert load_classes(plain).names == load_classes(rich).names
    assert load_classes(plain).digest != load_classes(rich).digest


def test_a_class_list_of_any_file_name_has_no_pattern_in_paths(tmp_path: Path) -> None:
    path = tmp_path / "my {list}*.txt"
    path.write_text("dog\ncat\n")
    assert names_of([str(path)])[0] == ["my -list--"]


def test_runs_of_other_settings_are_never_one_run() -> None:
    """0.1234567 and 0.12345671, "a/{}" and "a-{}" look the same in paths."""
    rows = {
        "a": {"method": "t2i_pal", "set": {"alpha": 0.1234567}},
        "b": {"method": "t2i_pal", "set": {"alpha": 0.12345671}},
        "c": {"method": "zsclip", "set": {"template": "a/ {}"}},
        "d": {"method": "zsclip", "set": {"template": "a- {}"}},
        "e": {"method": "zsclip", "set": {"template": "x" * 400 + " {}"}},
    }
    config = load_config(merged(default(), {"extra": rows}))
    plan = make_plan(config)
    alphas = {run.settings["alpha"] for run in plan.runs.values() if run.method == "t2i_pal"}
    assert {0.1234567, 0.12345671} <= alphas
    templates = {run.settings["template"]: run for run in plan.runs.values() if run.method == "zsclip"}
    assert {"a/ {}", "a- {}"} <= templates.keys()
    assert all(len(part.encode()) < 200 for run in plan.runs.values() for part in run.key)
    assert all(run.key == key for key, run in plan.runs.items())
    shown = {cell.run for cell in plan.tables["table1"].cells}
    assert {templates["a/ {}"].key, templates["a- {}"].key} <= shown
