"""A recogniser and its predictions: the workflow's scores, whatever the photos are."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from own_toy import CLIP, MEASURED, NAMES, picture, write_clip, write_photos, write_recogniser, write_run
from PIL import Image
from warm import run_python

from t2ipal.classes import ClassEntry, ClassList
from t2ipal.cli import show
from t2ipal.errors import UserError
from t2ipal.metrics import measure
from t2ipal.prediction import calibrate, predict, recogniser
from t2ipal.prediction.files import Counts, prediction_schema, written
from t2ipal.prediction.predict import Recogniser
from t2ipal.resource_files import resource
from t2ipal.store import read_parquet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recogniser and seven photos."""
    folder = tmp_path_factory.mktemp("own")
    write_recogniser(folder)
    write_photos(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def loaded(made: Path) -> Recogniser:
    return Recogniser.load(made / "m.safetensors")


def evaluated(folder: Path, photos: Path) -> dict[str, np.ndarray]:
    """Scores by photo as the workflow makes them: images, features, scores of each seed, their mean."""
    from t2ipal.backbones import load_backbone
    from t2ipal.features.cache import load_image_features
    from t2ipal.features.extract import extract_images
    from t2ipal.sources.folder import FolderImages
    from t2ipal.sources.image_rows import write_image_set

    classes = ClassList("own", tuple(map(ClassEntry, NAMES)))
    rows = FolderImages(source="folder", path=str(photos)).read(classes)
    write_image_set(rows, classes.names, folder / "images.parquet", folder / "rejects.parquet")
    clip = load_backbone(folder / "clip.safetensors")
    extract_images(folder / "images.parquet", folder / "features.parquet", clip, **CLIP)
    scores, _ = measure.score(
        folder / "run.safetensors", {"test": load_image_features(folder / "features.parquet")}, "cpu"
    )
    means = scores.values["test"].mean(0, dtype=np.float32)
    return dict(zip(scores.ids["test"], means, strict=True))


def test_scores_are_those_of_the_evaluation(made: Path, loaded: Recogniser) -> None:
    photos = made / "mixed"
    paths = write_photos(photos)
    (photos / "001b.jpg").write_bytes(paths[0].read_bytes()[:500])  # in no batch of either
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(9).save(photos / "turned.jpg", exif=exif)
    wanted = evaluated(made, photos)
    found = {photo.path.name: photo.scores for photo in loaded.predict(photos) if not photo.problem}
    assert found.keys() == wanted.keys()
    assert len(found) == 8
    for name, scores in wanted.items():
        assert np.abs(found[name] - scores).max() < 1e-6, name
        assert scores.std() > 0


def test_other_batches_and_orders_change_scores_by_rounding_alone(made: Path, loaded: Recogniser) -> None:
    paths = write_photos(made / "photos")
    base = {photo.path: photo.scores for photo in loaded.predict(paths)}
    for options in ({"batch": 1}, {"batch": 7, "workers": 1}):
        for photo in loaded.predict(reversed(paths), **options):
            assert np.abs(photo.scores - base[photo.path]).max() < 1e-3


def test_a_batch_at_a_time_is_in_memory(
    made: Path, loaded: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(0)
    paths = [tmp_path / f"{number:04d}.png" for number in range(60)]
    for path in paths:
        image.save(path)
    opened: list[Path] = []
    real = predict.read_picture

    def counted(path: Path, side: int) -> object:
        opened.append(path)
        return real(path, side)

    monkeypatch.setattr(predict, "read_picture", counted)
    done: list[int] = []
    found = loaded.predict(paths, batch=4, workers=2, on_progress=lambda count, total: done.append(count))
    for number, _ in enumerate(found):
        assert len(opened) <= number + 3 * 4 + 2
    assert len(opened) == 60
    assert done == list(range(4, 61, 4))


def test_photos_that_cannot_be_read_are_listed_in_their_place(made: Path, loaded: Recogniser, tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "a b", 3)
    bad = tmp_path / "a b/001a.jpg"
    bad.write_bytes(b"nothing")
    counts = Counts()
    files = {"parquet": tmp_path / "p.parquet", "table": tmp_path / "p.csv"}
    for photo in written(loaded.predict(tmp_path / "a b"), NAMES, 2, **files):
        counts.add(photo)
    assert counts.text() == f"3 of 4 photos read, 1 unreadable: {bad} (not an image file)"
    table = read_parquet(files["parquet"])
    assert table.schema.equals(prediction_schema(NAMES))
    assert table.schema.metadata == {b"classes": "\n".join(NAMES).encode()}
    rows = table.to_pylist()
    assert [row["photo"] for row in rows] == [str(path) for path in (*paths[:2], bad, paths[2])]
    assert (rows[2]["problem"], rows[2]["scores"], rows[2]["top"]) == ("not an image file", None, None)
    with files["table"].open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["photo", "problem", "top", "labels", *(f"score:{name}" for name in NAMES)]
    for row, line in zip(rows, lines, strict=True):
        assert line["photo"] == row["photo"]
        numbers = [line[f"score:{name}"] for name in NAMES]
        assert numbers == [""] * 3 if row["scores"] is None else np.float32(numbers).tolist() == row["scores"]
        assert line["top"] == "; ".join(row["top"] or [])
    best = NAMES[int(np.argmax(rows[0]["scores"]))]
    assert rows[0]["top"][0] == best
    assert (rows[0]["width"], rows[0]["height"]) == Image.open(paths[0]).size


def test_not_one_readable_photo_is_an_error_and_leaves_no_file(loaded: Recogniser, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"not one of 2 photos could be read; the first is .*a\.jpg: not an image"):
        list(written(loaded.predict(tmp_path), NAMES, 2, tmp_path / "p.parquet", tmp_path / "p.csv"))
    assert not list(tmp_path.glob("p.*"))


def test_without_labelled_images_scores_are_no_probabilities(made: Path) -> None:
    base = next(iter(Recogniser.load(made / "m.safetensors").predict(made / "photos")))
    assert (base.labels, base.probabilities) == (None, None)


@pytest.mark.slow
def test_a_calibrated_recogniser_gives_probabilities_and_labels(made: Path, tmp_path: Path) -> None:
    scores = [photo.scores for photo in Recogniser.load(made / "m.safetensors").predict(made / "photos")]
    middle = [float(values) for values in np.median(scores, 0)]
    fit = {**MEASURED["calibration"], "threshold": 0.7}
    measured = {**MEASURED, "thresholds": [middle[0], None, middle[2]], "calibration": fit}
    calibrated = Recogniser.load(write_recogniser(tmp_path, measured))
    assert calibrated.header["score_rule"] == {"kind": "own", "k": None, "classes": list(NAMES)}
    files = {"parquet": tmp_path / "p.parquet", "table": tmp_path / "p.csv", "calibrated": calibrated.calibrated}
    photos = list(written(calibrated.predict(made / "photos"), NAMES, 3, **files))
    for photo, own in zip(photos, scores, strict=True):
        p = 1 / (1 + np.exp(-(np.array(fit["a"]) * own + fit["b"])))
        assert photo.probabilities == pytest.approx(p, abs=1e-6)
        there = [own[0] >= middle[0], p[1] >= 0.7, own[2] >= middle[2]]
        assert set(photo.labels) == {name for name, counts in zip(NAMES, there, strict=True) if counts}
        assert [value for _, value in photo.top(3)] == pytest.approx(sorted(p, reverse=True), abs=1e-6)
    assert {label for photo in photos for label in photo.labels}.issuperset({"dog", "traffic light"})
    rows = read_parquet(files["parquet"]).to_pylist()
    with files["table"].open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for row, line, photo in zip(rows, lines, photos, strict=True):
        assert row["probabilities"] == photo.probabilities.tolist()
        assert [np.float32(line[f"probability:{name}"]) for name in NAMES] == photo.probabilities.tolist()
        assert line["labels"] == "; ".join(photo.labels)


@pytest.mark.slow
def test_a_recogniser_is_calibrated_by_the_validation_images(made: Path, tmp_path: Path) -> None:
    evaluated(made, made / "photos")
    found = read_parquet(made / "images.parquet")
    labels = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1]]
    import pyarrow as pa

    from t2ipal.metrics import calibration
    from t2ipal.metrics.evaluate import best_threshold
    from t2ipal.metrics.score_rules import apply, scale_of
    from t2ipal.store import write_parquet

    column = found.schema.get_field_index("labels")
    write_parquet(found.set_column(column, found.schema.field("labels"), pa.array(labels, pa.list_(pa.int8()))),
                  tmp_path / "images.parquet")  # fmt: skip
    rows = calibrate.validation_scores(made / "run.safetensors", made / "features.parquet", tmp_path / "images.parquet")
    means, own = np.stack(list(evaluated(made, made / "photos").values())), calibrate.mean_scores(rows.values)
    assert np.abs(own - means).max() < 1e-6
    measured = calibrate.calibrated(rows)
    assert measured["threshold"] == best_threshold(own, np.array(labels))
    assert measured["thresholds"] == [None] * 3  # too few positives
    assert measured["prior"] == pytest.approx([3 / 7] * 3)
    fit = measured["calibration"]
    assert fit["fitted_on"] | {"sha256": ""} == {
        "source": "validation", "images": 7, "groups": 7, "positives": [3, 3, 3], "sha256": "",
    }  # fmt: skip
    assert fit["a"] == calibration.fit(own, np.array(labels)).a.tolist()
    assert fit["ece"]["brier"] > 0
    write_recogniser(tmp_path, measured)  # what it measured is a header that is read
    assert Recogniser.load(tmp_path / "m.safetensors").calibrated
    # by a score rule, whose scale is that of these images
    rule = calibrate.score_rule("softmax", None, NAMES, 2, rows)
    assert rule["k"] == scale_of(rows.values).tolist()
    ruled = calibrate.calibrated(rows, rule)
    by_rule = apply("softmax", rows.values, rule["k"]).mean(0, dtype=np.float32)
    assert ruled["calibration"]["a"] == calibration.fit(by_rule, np.array(labels)).a.tolist()
    clip = {"model": str(made / "clip.safetensors"), **CLIP}
    recogniser.write_recogniser(tmp_path / "r.safetensors", made / "run.safetensors", clip, ruled, "0", rule)
    photos = list(Recogniser.load(tmp_path / "r.safetensors").predict(made / "photos"))
    assert np.abs(np.stack([photo.scores for photo in photos]) - by_rule).max() < 1e-5
    with pytest.raises(UserError, match="images without labels"):
        calibrate.validation_scores(made / "run.safetensors", made / "features.parquet", made / "images.parquet")


def test_heat_maps_are_the_methods_own(made: Path, loaded: Recogniser) -> None:
    photos = list(loaded.predict(made / "photos", maps=2, thumbnails=32))
    for photo in photos:
        assert set(photo.heat) == set(photo.order(2))
        assert max(photo.thumbnail.size) == 32
        for heat in photo.heat.values():
            assert heat.shape == (2, 2)
            assert heat.max() == pytest.approx(1)
    assert next(iter(loaded.predict(made / "photos"))).heat == {}


# The file of a recogniser and its CLIP


def test_one_file_knows_all(made: Path, loaded: Recogniser) -> None:
    header = recogniser.read_header(made / "m.safetensors")
    assert header["classes"] == list(NAMES)
    assert header["seeds"] == [1, 2]
    assert header["settings"]["n_ctx"] == 4
    assert header["clip"] == {"name": str(made / "clip.safetensors"), "path": str(made / "clip.safetensors"),
                              "kind": "openai", "relative": "clip.safetensors", **CLIP}  # fmt: skip
    assert loaded.classes == NAMES


def test_a_folder_that_moves_keeps_its_clip(made: Path, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert Recogniser.load(tmp_path / "new/m.safetensors").classes == NAMES


def test_a_missing_clip_is_one_line_and_clip_names_another_place(made: Path, tmp_path: Path) -> None:
    path = write_recogniser(tmp_path)
    (tmp_path / "clip.safetensors").rename(tmp_path / "moved.safetensors")
    with pytest.raises(UserError, match=r"m\.safetensors: its CLIP is not at .*clip\.safetensors.*--clip"):
        Recogniser.load(path)
    assert Recogniser.load(path, tmp_path / "moved.safetensors").classes == NAMES


def test_a_clip_of_the_zoo_is_found_among_the_installed_files(tmp_path: Path) -> None:
    about = {"name": "resources/zoo/clip.safetensors", "path": "/gone/clip.safetensors", "relative": "gone.safetensors"}
    assert recogniser.find_clip(tmp_path / "m.safetensors", about, None) == str(resource("zoo/clip.safetensors"))
    with pytest.raises(UserError, match="its CLIP is not at /gone"):
        recogniser.find_clip(tmp_path / "m.safetensors", {**about, "name": "models/clip.safetensors"}, None)


def test_another_clip_is_one_line(made: Path, tmp_path: Path) -> None:
    from tiny_clip import tiny_clip

    from t2ipal.store import write_tensors

    write_tensors(tmp_path / "other.safetensors", tiny_clip(seed=1).model.state_dict())
    with pytest.raises(
        UserError, match=r"other\.safetensors: a CLIP of sha256 \w{12}, but .*m\.safetensors learned with"
    ):
        Recogniser.load(made / "m.safetensors", tmp_path / "other.safetensors")


def test_a_file_that_is_no_recogniser_is_one_line(made: Path, tmp_path: Path) -> None:
    for name, what in (("run", "the weights of a run"), ("clip", "no recogniser of t2ipal")):
        with pytest.raises(UserError, match=rf"{name}\.safetensors: {what}.*recognisers"):
            Recogniser.load(made / f"{name}.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"x\.safetensors: damaged or not a safetensors file"):
        Recogniser.load(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=r"none\.safetensors: no such file"):
        Recogniser.load(tmp_path / "none.safetensors")


def test_a_run_of_several_label_shares_makes_no_recogniser(made: Path, tmp_path: Path) -> None:
    from t2ipal.store import read_tensors, write_tensors

    tensors, header = read_tensors(made / "run.safetensors")
    write_tensors(tmp_path / "run.safetensors", tensors, {**header, "levels": [10, 50]})
    clip = {"model": str(made / "clip.safetensors"), **CLIP}
    with pytest.raises(UserError, match=r"models of label levels \[10, 50\]"):
        recogniser.write_recogniser(tmp_path / "m.safetensors", tmp_path / "run.safetensors", clip, None, "0")


# Few classes and many


@pytest.mark.parametrize(("count", "method"), [(1, "zsclip"), (500, "zsclip"), (500, "t2i_pal")])
@pytest.mark.slow
def test_one_class_and_five_hundred(tmp_path: Path, count: int, method: str) -> None:
    from t2ipal.prediction.gallery import Gallery

    names = [f"thing number {number}" for number in range(count)]
    path = write_recogniser(tmp_path, names=names, method=method, seeds=(1,))
    found = Recogniser.load(path)
    write_photos(tmp_path / "photos", 2)
    photos = list(found.predict(tmp_path / "photos", maps=5, thumbnails=64))
    assert [photo.scores.shape for photo in photos] == [(count,)] * 2
    assert len(photos[0].top(5)) == min(5, count)
    gallery = Gallery(tmp_path / "page.html", found.header, 2)
    for photo in photos:
        gallery.add(photo)
    gallery.write()
    assert f"{count} class{'es' if count > 1 else ''}" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_a_photo_of_100_megapixels_is_predicted(loaded: Recogniser, tmp_path: Path) -> None:
    small = picture(4, (100, 100))
    small.resize((10_000, 10_000), Image.Resampling.NEAREST).save(tmp_path / "large.jpg", quality=90)
    small.save(tmp_path / "small.png")
    large, plain = loaded.predict(tmp_path)
    assert (large.width, large.problem) == (10_000, "")
    assert np.abs(large.scores - plain.scores).max() < 0.3 * np.ptp(plain.scores) + 0.05


# The command


def command(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What `python -m t2ipal ARGUMENTS` does; test_package starts it as users do."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return run_python(["-m", "t2ipal", *map(str, arguments)], folder, environment)


def test_without_arguments_the_commands_are_listed() -> None:
    result = command()
    assert result.returncode == 0
    for name in ("predict", "classes", "show", "example", "results"):
        assert f"\n    {name} " in result.stdout


@pytest.mark.parametrize("name", ["predict", "classes", "show", "example", "results"])
def test_help_fits_a_terminal_and_shows_every_option(name: str) -> None:
    result = command(name, "--help")
    assert result.returncode == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert name in ("show", "results") or "example" in result.stdout


@pytest.mark.slow
def test_the_command_predicts(made: Path, tmp_path: Path) -> None:
    photos = tmp_path / "mes photos é"
    paths = write_photos(photos, 3)
    (photos / "bad one.jpg").write_bytes(b"x")
    model = made / "m.safetensors"
    plain = command("predict", "--model", model, "--top", 2, photos)
    assert plain.returncode == 0, plain.stderr
    assert [line.partition(": ")[0] for line in plain.stdout.splitlines()] == [str(path) for path in paths]
    assert plain.stdout.splitlines()[0].count(", ") == 1
    last = plain.stderr.splitlines()[-1]
    assert last == f"3 of 4 photos read, 1 unreadable: {photos / 'bad one.jpg'} (not an image file)"
    names = {"--csv": "a b.csv", "--parquet": "p.parquet", "--gallery": "page.html"}
    files = [part for option, name in names.items() for part in (option, tmp_path / "out dir" / name)]
    result = command("predict", "--model", model, *files, "--batch", 2, "--workers", 1, photos)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert {path.name for path in (tmp_path / "out dir").iterdir()} == set(names.values())


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["{model}", "{bad}"], 1, "error: not one of 1 photos could be read; the first is "),
        (["{model}", "nowhere"], 1, "error: nowhere: no such photo or folder"),
        (["none.safetensors", "{good}"], 1, "error: none.safetensors: no such file"),
        (["{model}", "--top", "0", "{good}"], 2, "'0' is not a whole number >= 1"),
        (["{model}"], 2, "the following arguments are required: PHOTO"),
    ],
)
def test_mistakes_end_in_one_line(made: Path, tmp_path: Path, arguments: list[str], code: int, line: str) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"x")
    (good,) = write_photos(tmp_path / "good", 1)
    words = {"model": made / "m.safetensors", "bad": tmp_path / "bad.jpg", "good": good}
    result = command("predict", "--model", *(word.format(**words) for word in arguments))
    assert result.returncode == code
    assert line in result.stderr
    assert "Traceback" not in result.stderr
    if code == 1:
        assert len(result.stderr.splitlines()) == 1


def test_show_says_what_a_recogniser_is(made: Path) -> None:
    result = command("show", made / "m.safetensors")
    assert result.returncode == 0, result.stderr
    for text in ("t2i_pal", "3: dog, cat, traffic light", "64 pixels, crop center", "mean over the seeds"):
        assert text in result.stdout
    assert "labels:    none: scores are no probabilities" in result.stdout


def test_show_tells_what_probabilities_rest_on() -> None:
    header = {**MEASURED, "classes": NAMES}
    text = show._labels(header)
    assert text.startswith("probabilities, from 40 labelled validation images; class-wise ECE 4.20 % (floor 3.10 %)")
    fit = MEASURED["calibration"]
    generated = {**fit, "fitted_on": {**fit["fitted_on"], "source": "generated", "groups": 10}}
    text = show._labels({**header, "calibration": generated})
    assert "40 generated images of 10 captions held out of training" in text
    text = show._labels({**header, "calibration": {**fit, "a": [2.0, 0.0, 0.0]}})
    assert text.endswith("; one probability for all photos: cat, traffic light")


def test_three_lines_of_python(made: Path) -> None:
    recogniser_ = Recogniser.load(made / "m.safetensors")
    table = recogniser_.table(made / "photos", top=1)
    assert table.column_names == prediction_schema(NAMES).names
    assert [len(row) for row in table["top"].to_pylist()] == [1] * 7


@pytest.mark.slow
def test_zero_shot_has_no_heat_maps(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.safetensors")
    run = write_run(tmp_path / "run.safetensors", clip, method="zsclip")
    recogniser.write_recogniser(tmp_path / "m.safetensors", run, {"model": str(clip), **CLIP}, None, "0")
    write_photos(tmp_path / "photos", 2)
    assert all(
        not photo.heat for photo in Recogniser.load(tmp_path / "m.safetensors").predict(tmp_path / "photos", maps=3)
    )
