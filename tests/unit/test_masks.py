"""Masks of partial labels: whose they are, their order, and that a reject changes no other image's mask."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from image_sets import DOG, Classes, Entry, photo, small_coco
from nuswide_toy import IMAGES, tree

from t2ipal.errors import UserError
from t2ipal.protocols.partial import mask_seed, read_partial, write_partial
from t2ipal.sources.image_rows import write_image_set
from t2ipal.sources.registry import image_source

SCRIPT = Path(__file__).resolve().parents[2] / "workflow_scripts" / "protocol.py"
LISTED = ["c", "a", "e", "b", "d"]


def official(seed: int, rows: int, classes: int, share: float) -> np.ndarray:
    """A mask as the official code makes it, from numpy's global stream."""
    np.random.seed(seed)
    return np.random.random((rows, classes)) < share


@pytest.mark.parametrize(
    ("masks", "source", "seed"),
    [("sarb", "coco", 0), ("sarb", "voc", 0), ("tai_dpt", "coco", 1), ("tai_dpt", "nuswide", 1), ("tai_dpt", "voc", 0)],
)
def test_seeds_of_the_official_masks(masks: str, source: str, seed: int) -> None:
    assert mask_seed(masks, source) == seed


def test_masks_follow_the_order_of_the_list_and_no_reject_changes_another(tmp_path: Path) -> None:
    expected = official(1, 5, 7, 0.5)
    path = tmp_path / "partial.parquet"
    for left_out in ("", "c", "d"):
        ids = [identity for identity in LISTED if identity != left_out]
        write_partial(ids, 7, [50], 1, path, LISTED)
        assert np.array_equal(read_partial(path, 50, ids, 7), expected[[LISTED.index(identity) for identity in ids]])
    with pytest.raises(UserError, match="partial labels: image z is not listed; expected one of the 5 listed"):
        write_partial(["a", "z"], 7, [50], 1, path, LISTED)


def test_official_orders(tmp_path: Path) -> None:
    names = {number: f"COCO_train2014_{number:012d}.jpg" for number in (57870, 9, 384)}
    photo(tmp_path / "coco" / "train2014" / names[9])
    coco = image_source(small_coco(tmp_path / "coco", "train2014", names))
    assert list(coco.official_order()) == ["000000057870", "000000000009", "000000000384"]
    everything = [name for name, split, *_ in IMAGES if split == "Test"]
    for images in ("all", "labelled"):
        assert list(image_source(tree(tmp_path / images) | {"images": images}).official_order()) == everything
    voc = image_source({"source": "voc", "root": str(tmp_path), "split": "trainval"})
    assert list(voc.official_order()) == []


@pytest.mark.parametrize(("masks", "seed"), [("sarb", 0), ("tai_dpt", 1)])
def test_the_job_samples_for_rejects_too(masks: str, seed: int, tmp_path: Path) -> None:
    names = {number: f"COCO_train2014_{number:012d}.jpg" for number in (70, 9, 384, 5)}
    for number in (70, 384, 5):
        photo(tmp_path / "coco" / "train2014" / names[number])
    source = image_source(small_coco(tmp_path / "coco", "train2014", names))
    expected = official(seed, 4, 1, 0.5)
    rows = {"000000000070": 0, "000000000384": 2, "000000000005": 3}
    run(tmp_path, source, masks, DOG)
    assert np.array_equal(read_partial(tmp_path / "known.parquet", 50, list(rows), 1), expected[list(rows.values())])


def test_without_an_official_order_masks_follow_the_ids_of_images_and_rejects(tmp_path: Path) -> None:
    classes = Classes((Entry("dog"), Entry("cat")))
    for name in ("b", "d", "a"):
        photo(tmp_path / "photos" / f"{name}.jpg")
    (tmp_path / "photos" / "c.jpg").write_text("no image")
    (tmp_path / "labels.csv").write_text("image,dog,cat\nb.jpg,1,0\na.jpg,0,1\nd.jpg,1,1\nc.jpg,1,0\n")
    source = image_source(
        {"source": "folder", "path": str(tmp_path / "photos"), "labels": str(tmp_path / "labels.csv")}
    )
    run(tmp_path, source, "sarb", classes)
    found = read_partial(tmp_path / "known.parquet", 50, ["a.jpg", "b.jpg", "d.jpg"], 2)
    assert np.array_equal(found, official(0, 4, 2, 0.5)[[0, 1, 3]])


def run(folder: Path, source: object, masks: str, classes: Classes) -> None:
    """Read the images of a source, and run the job that samples masks of half of the labels."""
    images, rejects = folder / "images.parquet", folder / "rejects.parquet"
    assert write_image_set(source.read(classes, "train"), classes.names, images, rejects).rejects == 1
    spec = {
        "protocol": "partial",
        "masks": masks,
        "levels": [50],
        "classes": list(classes.names),
        "source": source.spec(),
    }
    job = SimpleNamespace(
        params=SimpleNamespace(spec=spec),
        input=SimpleNamespace(images=str(images), rejects=str(rejects)),
        output=SimpleNamespace(known=str(folder / "known.parquet")),
    )
    runpy.run_path(str(SCRIPT))["main"](job)
