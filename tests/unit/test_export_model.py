"""A recogniser as a folder for a hub: equal scores elsewhere, and a card that says what it is."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from own_toy import CLIP, NAMES, write_photos, write_recogniser, write_run
from saved_models import save_clip

import t2ipal
from t2ipal import store
from t2ipal.cli import main
from t2ipal.errors import UserError
from t2ipal.export.model import card, export_model, leaves, measured
from t2ipal.metrics.records import record_schema
from t2ipal.metrics.registry import METRICS
from t2ipal.prediction.recogniser import read_header
from t2ipal.prediction.recogniser import write_recogniser as write_file

ABOUT = {"title": "toys | more", "data": {"captions": "source text"}, "license": "mit", "clip_license": ""}


def write_metrics(path: Path) -> Path:
    """Metrics of two seeds, without those that need a threshold."""
    rows = []
    for seed in (1, 2):
        row = dict.fromkeys(record_schema().names) | {
            "dataset": "toys", "method": "t2i_pal", "variant": "base", "level": 0, "seed": seed, "settings": "{}",
            "ap": [10.0 * seed, 50.0, 60.0], "mAP": 40.0 + seed,
        }  # fmt: skip
        row[METRICS["mAP"].bootstrap_column] = [40.0 + seed + step for step in (-1.0, 0.0, 1.0) * 40]
        rows.append(row)
    store.write_parquet(pa.Table.from_pylist(rows, record_schema()), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder, far from the recogniser, its CLIP and photos, which were elsewhere."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "here").mkdir()
    write_recogniser(folder / "here", {"threshold": 0.25})
    write_photos(folder / "photos", 3)
    export_model(folder / "here/m.safetensors", folder / "there", ABOUT, write_metrics(folder / "metrics.parquet"))
    return folder


def scores(recogniser: t2ipal.Recogniser, photos: Path) -> np.ndarray:
    return np.stack([photo.scores for photo in recogniser.predict(photos)])


def test_a_round_trip_keeps_scores_and_header(made: Path, tmp_path: Path) -> None:
    wanted = scores(t2ipal.Recogniser.load(made / "here/m.safetensors"), made / "photos")
    shutil.copytree(made / "there", tmp_path / "down loaded")
    folder = (made / "there").rename(made / "hidden")  # the original folder must not be needed any more
    try:
        recogniser = t2ipal.Recogniser.from_pretrained(tmp_path / "down loaded", device="cpu")
        assert np.array_equal(scores(recogniser, made / "photos"), wanted)
    finally:
        folder.rename(made / "there")
    before, after = (read_header(made / name) for name in ("here/m.safetensors", "there/model.safetensors"))
    places = dict.fromkeys(("name", "path", "relative"), "clip/clip.safetensors")
    assert after == before | {"clip": before["clip"] | places}
    assert json.loads((made / "there/config.json").read_text()) == after
    assert str(made) not in (made / "there/README.md").read_text() + (made / "there/config.json").read_text()


def test_the_card_has_what_was_measured_and_what_was_not(made: Path) -> None:
    text = (made / "there/README.md").read_text(encoding="utf-8")
    about = yaml.safe_load(text.split("---")[1])
    assert (about["license"], about["library_name"]) == ("mit", "t2ipal")
    lines = text.splitlines()
    assert "| mAP | 41.5 ± 0.7 | 40.5 to 42.5 |" in lines
    assert "| dog | 15.0 |" in lines
    assert "| threshold | 0.25 |" in lines
    assert "| licence of the CLIP | unknown |" in lines
    assert "None: scores rank photos and classes; they are no probabilities." in lines
    header = read_header(made / "there/model.safetensors")
    fit = {"kind": "platt", "a": [1.0], "fitted_on": {"source": "validation", "images": 300}}
    text = card(header | {"calibration": fit}, ABOUT | {"clip_license": "mit"}, [])
    assert leaves(fit) == {"kind": "platt", "fitted_on.source": "validation", "fitted_on.images": 300}
    assert "| fitted_on.images | 300 |" in text
    assert "Not measured: the run had no labelled test images." in text
    assert ", ".join(NAMES) in text


@pytest.mark.slow
def test_a_folder_of_transformers_goes_along_and_nothing_else_in_it(tmp_path: Path) -> None:
    """It may be one's own, with anything in it."""
    save_clip(tmp_path / "clip")
    files = {path.name for path in (tmp_path / "clip").iterdir()}
    for name in ("holiday.jpg", "notes.md", "run.py", ".env"):
        (tmp_path / "clip" / name).write_text("private")
    (tmp_path / "clip/photos").mkdir()
    (tmp_path / "clip/gone.json").symlink_to("nowhere")
    name = f"transformers:{tmp_path / 'clip'}"
    run = write_run(tmp_path / "run.safetensors", name, method="zsclip")
    write_file(tmp_path / "m.safetensors", run, {"model": name, **CLIP}, None, "0")
    export_model(tmp_path / "m.safetensors", tmp_path / "out", ABOUT)
    about = read_header(tmp_path / "out/model.safetensors")["clip"]
    assert (about["name"], about["relative"]) == ("transformers:clip", "clip")
    assert {path.name for path in (tmp_path / "out/clip").iterdir()} == files


def test_metrics_of_another_run_are_one_line(made: Path, tmp_path: Path) -> None:
    """Average precisions next to other classes, or of other seeds."""
    header = read_header(made / "here/m.safetensors")
    assert measured(made / "metrics.parquet", header)
    for change in ({"classes": [*NAMES, "boat"]}, {"seeds": [1, 2, 3]}, {"seeds": [1]}):
        with pytest.raises(UserError, match=r"metrics\.parquet: of other seeds or classes than the recogniser"):
            measured(made / "metrics.parquet", header | change)


def test_an_exported_folder_is_exported_again(made: Path, tmp_path: Path) -> None:
    export_model(made / "there", tmp_path / "again", ABOUT)
    assert (tmp_path / "again/config.json").read_bytes() == (made / "there/config.json").read_bytes()


def test_all_of_a_folder_is_fetched_from_the_hub(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CLIP may have any suffix."""
    asked: list[Any] = []

    def fetched(name: str, **about: Any) -> str:
        asked.append((name, about["revision"], about["local_files_only"]))
        kept = (path for path in (made / "there").rglob("*") if path.is_file())
        there = {path.relative_to(made / "there").as_posix() for path in kept}
        wanted = {name for name in there if any(fnmatch(name, pattern) for pattern in about["allow_patterns"])}
        assert wanted == there - {"README.md"}
        return str(made / "there")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    assert t2ipal.Recogniser.from_pretrained("someone/toys", revision="v1", device="cpu").classes == NAMES
    assert asked == [("someone/toys", "v1", True)]


def test_mistakes_are_one_line(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there: not an empty folder \(expected one, or"):
        export_model(made / "here/m.safetensors", made / "there", ABOUT)
    with pytest.raises(UserError, match=r"/none: no such folder \(expected one of t2ipal export model, or"):
        t2ipal.Recogniser.from_pretrained(tmp_path / "none")
    with pytest.raises(UserError, match=r"no model\.safetensors \(expected a folder of t2ipal export model\)"):
        t2ipal.Recogniser.from_pretrained(tmp_path)
    shutil.copy(made / "here/m.safetensors", tmp_path)
    (made / "here/clip.safetensors").rename(made / "moved")
    try:
        with pytest.raises(UserError, match=r"m\.safetensors: its CLIP is not at"):
            export_model(tmp_path / "m.safetensors", tmp_path / "out", ABOUT)
    finally:
        (made / "moved").rename(made / "here/clip.safetensors")
    assert not list(tmp_path.glob("*out*"))


def test_the_command_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay = tmp_path / "o.yaml"
    overlay.write_text(f"results_dir: {tmp_path}\nname: x\n")
    command = ["export", "model", "--to", str(tmp_path / "out"), "--configfile", str(overlay)]
    assert main(command) == 1
    assert "--method: missing (expected one of zsclip, clip_dpt" in capsys.readouterr().err
    assert main([*command, "--method", "t2i_pal"]) == 1
    assert "recognisers/micro/t2i_pal.safetensors: no such recogniser (expected it" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_data_and_scores_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "x"
    for name in ("recognisers/micro", "runs/micro/t2i_pal/base"):
        (results / name).mkdir(parents=True)
    write_recogniser(tmp_path)
    tensors, header = store.read_tensors(tmp_path / "m.safetensors")
    about = header["clip"] | {"path": str(tmp_path / "clip.safetensors")}
    store.write_tensors(results / "recognisers/micro/t2i_pal.safetensors", tensors, header | {"clip": about})
    overlay = tmp_path / "o.yaml"
    overlay.write_text(f"results_dir: {tmp_path}\nname: x\n")
    command = ["export", "model", "--method", "t2i_pal", "--to", str(tmp_path / "out"), "--license", "cc-by-4.0"]
    assert main([*command, "--clip-license", "mit", "--configfile", str(overlay)]) == 0
    assert capsys.readouterr().out.endswith("with its CLIP; no scores are in the card\n")
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "license: cc-by-4.0" in text
    assert "| generated images | resources/zoo/text-to-image, 6 of each caption |" in text
    assert "| licence of the CLIP | mit |" in text
