"""Captions held out of training, whose generated images calibrate a recogniser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from configs import default
from feature_files import write_features
from own_toy import NAMES, write_clip, write_run

from t2ipal.backbones import load_backbone
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.features.cache import load_image_features
from t2ipal.metrics import measure
from t2ipal.plan.image_fields import generated_fields
from t2ipal.plan.make import make_plan
from t2ipal.plan.queries import calibrating_run
from t2ipal.prediction.calibrate import calibrated, generated_scores, mean_scores
from t2ipal.rows.captions import read_labelled
from t2ipal.rows.data import TrainingFiles
from t2ipal.rows.held_out import HeldOut
from t2ipal.store import write_parquet

BARE = {"extra": {}, "ablations": {}, "sweeps": {}, "search": {}, "partial": None, "novel": None, "few_shot": None}


def test_a_share_of_the_texts_is_held_out() -> None:
    chosen = HeldOut(20, 0)
    texts = [f"A photo of thing {number}" for number in range(2000)]
    held = [text for text in texts if chosen.has(text)]
    assert 340 < len(held) < 460
    assert all(chosen.has(f"  {text.lower()} ") for text in held)
    assert held != [text for text in texts if HeldOut(20, 1).has(text)]
    assert set(held) < {text for text in texts if HeldOut(30, 0).has(text)}  # a larger share has the smaller one


def write_labelled(path: Path, texts: list[str]) -> None:
    rows = range(len(texts))
    lists = {"positive": [[row % 3] for row in rows], "unknown": [[(row + 1) % 3] if row % 2 else [] for row in rows]}
    columns = {name: pa.array(values, pa.list_(pa.int32())) for name, values in lists.items()}
    write_parquet(pa.table({"caption_id": [f"c{row:02d}" for row in rows], "text": texts, **columns}), path)


def test_training_and_calibration_share_no_caption_and_miss_none(tmp_path: Path) -> None:
    write_labelled(tmp_path / "labelled.parquet", [f"thing {row // 2}" for row in range(60)])
    files = TrainingFiles({"labelled": tmp_path / "labelled.parquet"}, held_out=HeldOut(40, 3))
    (kept, labels), (held, its_labels) = (read_labelled(files, 3, held_out) for held_out in (False, True))
    every, all_labels = read_labelled(TrainingFiles(files.paths), 3)
    assert sorted([*kept, *held]) == every
    assert {int(name[1:]) // 2 for name in kept}.isdisjoint({int(name[1:]) // 2 for name in held})
    of = dict(zip(every, all_labels.tolist(), strict=True))
    assert [of[name] for name in (*kept, *held)] == [*labels.tolist(), *its_labels.tolist()]
    assert kept
    assert held


@pytest.mark.parametrize(("percent", "texts"), [(1, 5), (50, 1), (50, 0), (100, 9)])
def test_too_little_to_hold_out_is_told_before_training(tmp_path: Path, percent: int, texts: int) -> None:
    write_labelled(tmp_path / "labelled.parquet", [f"thing {row}" for row in range(texts)])
    files = TrainingFiles({"labelled": tmp_path / "labelled.parquet"}, held_out=HeldOut(percent, 3))
    for held_out in (False, True):
        with pytest.raises(
            UserError, match=rf"labelled\.parquet: \d of {texts} captions are held out for the calibration"
        ):
            read_labelled(files, 3, held_out)


@pytest.mark.slow
def test_generated_images_are_scored_with_their_captions_labels(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.safetensors")
    run = write_run(tmp_path / "run.safetensors", clip)
    write_features(tmp_path, load_backbone(clip), image_size=64)
    write_labelled(tmp_path / "labelled.parquet", [f"thing {row}" for row in range(12)])
    flagged = {"caption_id": ["c03", "c04"], "sample": pa.array([1, 0], pa.int16())}
    write_parquet(pa.table(flagged), tmp_path / "flagged.parquet")
    features = tmp_path / "f-drawn.parquet"
    paths = {"labelled": tmp_path / "labelled.parquet", "images": [features, features]}
    files = TrainingFiles({**paths, "flagged": [tmp_path / "flagged.parquet"]}, held_out=HeldOut(50, 0))
    held, labels = read_labelled(files, 3, held_out=True)
    rows = generated_scores(run, files)
    wanted = [(name, sample) for sample in (0, 1) for name in held if (name, sample) not in {("c03", 1), ("c04", 0)}]
    assert list(rows.ids) == [f"{name}/{sample}" for name, sample in wanted]
    assert list(rows.groups) == [name for name, _ in wanted]
    assert rows.labels.tolist() == [labels[held.index(name)].tolist() for name, _ in wanted]
    scores, _ = measure.score(run, {"test": load_image_features(features)})
    means = dict(zip(scores.ids["test"], mean_scores(scores.values["test"]), strict=True))
    assert np.abs(mean_scores(rows.values) - np.stack([means[name] for name, _ in wanted])).max() < 1e-6
    fit = calibrated(rows)["calibration"]
    assert fit["fitted_on"]["source"] == "generated"
    assert fit["fitted_on"]["groups"] == len(held) < fit["fitted_on"]["images"] == len(wanted)
    assert len(fit["a"]) == len(NAMES)
    none = TrainingFiles(files.paths, held_out=HeldOut(0, 0))
    with pytest.raises(UserError, match=r"labelled\.parquet: 0 of 12 captions are held out"):
        generated_scores(run, none)


def with_calibration(**changes: object) -> dict:
    micro = {**default()["datasets"]["micro"], "validation": None, "calibrate": "generated", "calibrate_share": 30}
    return {**default(), **BARE, "datasets": {"micro": {**micro, **changes}}}


def test_runs_that_read_captions_hold_some_out() -> None:
    config = load_config(with_calibration())
    plan = make_plan(config)
    held = {name: runs["micro"].held_out for name, runs in plan.base}
    assert held == {"zsclip": 0, "clip_dpt": 0, "tai_dpt": 30, "t2i_pal": 30, "comc": 30, "oracle": 0}
    assert plan.runs["micro", "t2i_pal", "base"].made()["held_out"] == 30
    assert calibrating_run(config, plan, "micro").method == "t2i_pal"
    assert generated_fields(config, plan, "micro", "micro", "micro") == {"global_pos", "global_nopos", "local"}
    usual = make_plan(load_config({**default(), **BARE}))
    assert "held_out" not in usual.runs["micro", "t2i_pal", "base"].made()
    with pytest.raises(UserError, match=r"datasets.micro.calibrate: 'generated', but no method generates images"):
        make_plan(load_config({**with_calibration(), "methods": ["zsclip", "tai_dpt"]}))
    validation = default()["datasets"]["micro"]["validation"]
    with pytest.raises(UserError, match=r"datasets.micro.calibrate: 'generated', but there are labelled validation"):
        load_config(with_calibration(validation=validation))


def test_a_softmax_needs_a_scale_or_images_to_take_it_from() -> None:
    photos = {"path": "photos", "scores": "softmax"}
    assert load_config(with_calibration(photos=photos)).datasets["micro"].photos.scores == "softmax"
    with pytest.raises(UserError, match=r"datasets.micro.photos.score_scale: missing"):
        load_config(with_calibration(photos=photos, calibrate=None))
    assert load_config(with_calibration(photos={**photos, "score_scale": 2.0}, calibrate=None))


def test_tables_of_probabilities_need_validation_images() -> None:
    table = {"title": "T", "metrics": ["mAP", "ECE"], "rows": {"a": {"method": "zsclip", "scores": "calibrated"}}}
    plain = {**default(), **BARE}
    plan = make_plan(load_config({**plain, "ablations": {"t": table}}))
    run = plan.runs["micro", "zsclip+calibrated", "base"]
    assert run.combine.seeds == (1, 2, 3)
    assert run.sources == (("micro", "zsclip", "base"),)
    micro = {**default()["datasets"]["micro"], "validation": None}
    assert "t" not in make_plan(load_config({**plain, "datasets": {"micro": micro}, "ablations": {"t": table}})).tables
    own = {"t": {**table, "rows": {**table["rows"], "b": {"method": "zsclip"}}}}
    for changes in ({"ablations": own}, {"table_metrics": ["Brier"]}):
        with pytest.raises(UserError, match="is one of probabilities"):
            load_config({**plain, **changes})
