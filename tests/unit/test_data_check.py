"""The table of data sources, the page that shows it, the overlays that need it, and what is said to be missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from configs import default, merged, shipped
from docs_pages import ROOT, section, table_rows
from image_sets import photo, small_coco
from nuswide_toy import IMAGES, nested, tree
from overlays import check_overlay

from t2ipal.config import load_config
from t2ipal.data_check import check_model, load_downloads, report
from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.plan.make import make_plan
from t2ipal.sources.base import source_of
from t2ipal.sources.registry import caption_source, image_source
from t2ipal.validation import located

OVERLAYS = ("voc2007", "coco2014", "nuswide")
DOWNLOADS = load_downloads()


def test_the_page_shows_the_table() -> None:
    shown = table_rows(section(ROOT / "docs/data.md", "Sources"))
    rows = [[f"`{row.name}`", row.what, row.url, row.size, row.licence, row.how] for row in DOWNLOADS.values()]
    assert shown == rows


def test_the_page_names_every_option() -> None:
    keys = {row[0].strip("`").split(".")[-1] for row in table_rows(section(ROOT / "docs/data.md", "Options"))}
    assert {"captions", "splits", "ids", "split", "words", "cap", "difficult", "images", "missing", "classes"} == keys


@pytest.mark.parametrize("row", DOWNLOADS.values(), ids=lambda row: row.name)
def test_every_row_is_whole(row: object) -> None:
    assert row.url.startswith(("https://", "http://"))
    assert all((row.what, row.licence, row.how))
    assert row.bytes is None or row.bytes > 10**8
    assert "|" not in row.text + row.name


def test_sizes_for_people() -> None:
    sizes = {name: DOWNLOADS[name].size for name in ("coco-train2014", "voc2007-test", "nuswide-images")}
    assert sizes == {"coco-train2014": "13.5 GB", "voc2007-test": "451 MB", "nuswide-images": "size not stated"}


def test_no_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such table of data sources"):
        load_downloads(tmp_path / "none.csv")


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_valid_and_stands_on_real_models(name: str) -> None:
    text = (ROOT / f"config/{name}.yaml").read_text(encoding="utf-8")
    overlay = yaml.safe_load(text)
    config = load_config(merged(default(), overlay))
    plan = make_plan(config)
    runs = plan.runs
    assert config.name == name
    assert list(config.datasets) == [name]
    assert [method for method, _ in plan.base] == ["zsclip", "tai_dpt", "t2i_pal"]
    assert {run.clip for run in runs.values()} == {config.use.clip}
    assert "supplement" not in plan.tables
    assert config.clip[config.use.clip].model == "RN101"
    drawn = config.text_to_image[config.use.text_to_image]
    assert (drawn.samples, drawn.steps, drawn.guidance) == (6, 50, 7.5)
    settings = runs[name, "t2i_pal", "base"].settings
    assert (settings["epochs"], settings["batch"], settings["lr"]) == (40, 64, 1e-4)
    check_overlay(config, text)


def test_the_overlays_follow_the_paper() -> None:
    config = {name: load_config(merged(default(), shipped(f"config/{name}.yaml")))
              for name in OVERLAYS}  # fmt: skip
    assert config["voc2007"].pools["coco"].splits == ["train2017"]
    assert config["voc2007"].datasets["voc2007"].test.difficult == "negative"
    assert config["coco2014"].pools["coco"].splits == ["train2017"]
    assert config["coco2014"].pools["coco_clean"].splits == ["train2014"]
    nuswide = config["nuswide"].datasets["nuswide"]
    assert (nuswide.words, nuswide.cap, nuswide.test.images) == (77, 1000, "all")
    assert config["nuswide"].pools["openimages"].captions == "all"
    paper = {name: config[name].datasets[name].paper for name in OVERLAYS}
    assert paper == {"voc2007": "VOC2007", "coco2014": "COCO2014", "nuswide": "NUSWIDE"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_an_overlay_needs_is_in_the_table(name: str, tmp_path: Path) -> None:
    config = load_config(merged(default(), shipped(f"config/{name}.yaml")))
    found = []
    sources = {f"pools.{key}": pool for key, pool in config.pools.items()}
    sources |= {f"datasets.{name}.{part}": getattr(config.datasets[name], part) for part in ("train", "test")}
    for key, source in sources.items():
        there = source_of(located(source, str(tmp_path)).spec())
        found += there.check(key)
        assert all(file.path.is_relative_to(tmp_path) for file in there.files())
        assert there.files()
    assert all(finding.missing and finding.download in DOWNLOADS for finding in found)
    text = report(found, DOWNLOADS)
    for finding in found:
        assert text.count(f"get it: {DOWNLOADS[finding.download].text}") == 1
        assert f"MISSING {finding.key}: {finding.text}" in text
    needs = {"voc2007": 3, "coco2014": 4, "nuswide": 4}
    assert len({finding.download for finding in found}) == needs[name]


def test_what_is_there_is_counted(tmp_path: Path) -> None:
    source = small_coco(tmp_path, "val2014", {n: f"COCO_val2014_{n:012d}.jpg" for n in (1, 2, 3)})
    (missing,) = [finding for finding in image_source(source).check("k") if finding.missing]
    assert missing == Finding("k", f"{tmp_path}/val2014: no such folder of images (expected the images of val2014)",
                              True, "coco-val2014")  # fmt: skip
    (tmp_path / "val2014").mkdir()
    (none,) = [finding for finding in image_source(source).check("k") if finding.missing]
    assert none.text.startswith("0 of 3 listed images are there; the first that is not: ")
    photo(tmp_path / "val2014/COCO_val2014_000000000002.jpg")
    (_, some) = image_source(source).check("k")
    assert not some.missing
    assert some.text.startswith("1 of 3 listed images are there; the first that is not: ")
    assert some.text.endswith("COCO_val2014_000000000001.jpg")
    for number in (1, 3):
        photo(tmp_path / f"val2014/COCO_val2014_{number:012d}.jpg")
    (files, every) = image_source(source).check("k")
    assert every == Finding("k", "3 of 3 listed images are there", download="coco-val2014")
    assert files == Finding("k.root", f"{tmp_path}/annotations/instances_val2014.json: there",
                            download="coco-annotations-2014")  # fmt: skip


def test_many_files_of_one_source_are_one_finding(tmp_path: Path) -> None:
    source = tree(tmp_path)
    nested(tmp_path)
    findings = list(image_source(source).check("k"))
    assert [(finding.download, finding.missing) for finding in findings] == [
        ("nuswide-lists", False), ("nuswide-labels", False), ("nuswide-images", False),
    ]  # fmt: skip
    assert findings[1].text.endswith("Labels_birds_Test.txt and 3 more: there")
    assert findings[2].text == "4 of 4 listed images are there"


def test_nuswide_lacks_more_than_allowed(tmp_path: Path) -> None:
    source = tree(tmp_path)
    nested(tmp_path)
    (tmp_path / "Flickr" / IMAGES[0][0]).unlink()
    for allowed, missing in ((0, True), (1, False)):
        *_, counted = image_source(source | {"missing": allowed}).check("k")
        assert counted.text.startswith("3 of 4 listed images are there; the first that is not: ")
        assert counted.missing == missing


def test_a_damaged_list_is_a_finding(tmp_path: Path) -> None:
    source = small_coco(tmp_path, "val2014", {1: "COCO_val2014_000000000001.jpg"})
    (tmp_path / "val2014").mkdir()
    path = tmp_path / "annotations/instances_val2014.json"
    path.write_text(path.read_text()[:60])
    (_, damaged) = image_source(source).check("k")
    assert damaged.missing
    assert str(path) in damaged.text
    assert "cut off" in damaged.text


def test_a_folder_of_the_users_own(tmp_path: Path) -> None:
    photo(tmp_path / "photos/a.jpg")
    (tmp_path / "labels.csv").write_text("image,dog\na.jpg,1\nb.jpg,0\n")
    source = {"source": "folder", "path": str(tmp_path / "photos"), "labels": str(tmp_path / "labels.csv")}
    texts = [finding.text for finding in image_source(source).check("k")]
    assert texts[2].startswith("1 of 2 listed images are there")
    (tmp_path / "labels.csv").unlink()
    assert [finding.missing for finding in image_source(source).check("k")] == [False, True]
    assert list(image_source({"source": "micro", "size": 3}).check("k")) == []
    assert [finding.key for finding in caption_source({"source": "text", "path": "none.txt"}).check("k")] == ["k.path"]


def test_models(tmp_path: Path) -> None:
    assert not check_model("clip", "k", "RN50x4").missing
    assert not check_model("text_to_image", "k", "stable-diffusion-v1-5/stable-diffusion-v1-5").missing
    gone = check_model("clip", "k", str(tmp_path / "RN101.pt"))
    assert gone.missing
    assert "https://github.com/openai/CLIP" in report([gone], DOWNLOADS)
    (tmp_path / "model.pt").write_bytes(b"x")
    assert check_model("clip", "k", str(tmp_path / "model.pt")).text.endswith("there")
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"model.pt": {"sha256": "0" * 64}}}))
    assert "sha256" in check_model("clip", "k", str(tmp_path / "model.pt")).text


def test_real_samples(real_data: object) -> None:
    coco = {"source": "coco", "root": str(real_data("coco_mini")), "split": "val2014"}
    assert [finding.text for finding in image_source(coco).check("k")][-1] == "55 of 55 listed images are there"
    voc = image_source({"source": "voc", "root": str(real_data("VOCdevkit")), "split": "test"})
    assert [finding.text for finding in voc.check("k")][-1].startswith("5 of 4,952 listed images are there")


def test_a_model_by_name_is_looked_for_in_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from t2ipal.backbones.openai.variants import SHA256
    from t2ipal.store import sha256_file

    monkeypatch.setenv("HOME", str(tmp_path))
    for name, file in (("RN101", "RN101.pt"), ("ViT-L/14@336px", "ViT-L-14-336px.pt")):
        found = check_model("clip", "k", name)
        assert not found.missing
        assert f"/{file} elsewhere and place it at {tmp_path}/.cache/clip/{file}" in found.text
    path = tmp_path / ".cache/clip/RN101.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert "not the published one" in check_model("clip", "k", "RN101").text
    monkeypatch.setitem(SHA256, "RN101", sha256_file(path))
    assert "sha256 as published" in check_model("clip", "k", "RN101").text
    pipeline = check_model("text_to_image", "k", "stable-diffusion-v1-5/stable-diffusion-v1-5", "0" * 40)
    assert "put its folder elsewhere and give that as model" in pipeline.text
