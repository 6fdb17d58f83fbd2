"""NUS-WIDE in every layout that copies have, and in what they break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_sets import Classes, Entry, photo
from nuswide_toy import EXPECTED, IMAGES, nested, tree, write_labels, write_list

from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.sources.image_rows import ImageRow, RejectedImage, write_image_set
from t2ipal.sources.nuswide import UNLABELLED, concept_of, flickr_id, lists_and_labels
from t2ipal.sources.registry import image_source

FEW = Classes((Entry("birds"), Entry("sky"), Entry("whales")))


def found(source: dict[str, str]) -> dict[str, tuple[int, ...]]:
    rows = list(image_source(source).read(FEW))
    assert all(isinstance(row, ImageRow) for row in rows)
    assert [row.image_id for row in rows] == sorted(row.image_id for row in rows)
    return {row.image_id: row.labels for row in rows}


@pytest.mark.parametrize("labels", ["Groundtruth/TrainTestLabels", "TrainTestLabels", "Groundtruth/AllLabels",
                                    "NUS-WIDE/Groundtruth/AllLabels"])  # fmt: skip
@pytest.mark.parametrize(("lists", "folder"), [
    ("ImageList", "Flickr"), ("ImageList/ImageList", "Flickr"), (".", "images"), ("NUS-WIDE", "NUS-WIDE/Flickr"),
])  # fmt: skip
def test_layouts(tmp_path: Path, lists: str, labels: str, folder: str) -> None:
    source = tree(tmp_path, lists, labels)
    nested(tmp_path, folder)
    assert found(source) == EXPECTED
    assert found(source | {"split": "train"}) == {
        "actor/0002_174174086.jpg": (1, 0, 0),
        "beach/0009_999.jpg": (0, 1, 0),
    }


@pytest.mark.parametrize("name_of", [
    lambda place, folder, number, key: f"{place}_{key}_0123456789_m.jpg",  # a secret that looks like an id
    lambda place, folder, number, key: f"{place}_{key}_b039ddccac_m.jpg",
    lambda place, folder, number, key: f"{folder}_{number}_{key}.jpg",
    lambda place, folder, number, key: f"{number}_{key}.jpg",
    lambda place, folder, number, key: f"{key}.jpeg",
])  # fmt: skip
def test_flat_copies(tmp_path: Path, name_of: object) -> None:
    source = tree(tmp_path)
    for place, (name, *_) in enumerate(IMAGES):
        folder, stem = Path(name).parent.name, Path(name).stem
        photo(tmp_path / "images" / name_of(place, folder, *stem.split("_")), seed=place)
    assert found(source) == EXPECTED
    rows = list(image_source(source).read(FEW))
    assert len({row.path for row in rows}) == 4
    for row in rows:
        assert flickr_id(Path(row.path).stem) == flickr_id(Path(row.image_id).stem)


def test_both_layouts_give_the_same_photographs(tmp_path: Path) -> None:
    source = tree(tmp_path)
    nested(tmp_path)
    pictures = {row.image_id: Path(row.path).read_bytes() for row in image_source(source).read(FEW)}
    for place, (name, *_) in enumerate(IMAGES):
        key = Path(name).stem.split("_")[1]
        target = tmp_path / "images" / f"{place}_{key}_b039ddccac_m.jpg"
        target.parent.mkdir(exist_ok=True)
        (tmp_path / "Flickr" / name).rename(target)
    assert {row.image_id: Path(row.path).read_bytes() for row in image_source(source).read(FEW)} == pictures


def test_missing_images_end_the_run_or_are_rejects(tmp_path: Path) -> None:
    source = tree(tmp_path)
    nested(tmp_path)
    (tmp_path / "Flickr/actor/0010_1000.jpg").unlink()
    (tmp_path / "Flickr/zebra/0003_300.jpg").unlink()
    for allowed in (0, 1):
        with pytest.raises(UserError, match=r"2 of 4 listed images are missing, the first is \S*0010_1000.jpg; expect"):
            list(image_source(source | {"missing": allowed}).read(FEW))
    images = image_source(source | {"missing": 2}).read(FEW)
    counts = write_image_set(images, FEW.names, tmp_path / "a.parquet", tmp_path / "r.parquet")
    assert (counts.read, counts.rows, counts.rejects) == (4, 2, 2)
    rejects = [item for item in image_source(source | {"missing": 2}).read(FEW) if isinstance(item, RejectedImage)]
    assert [(item.image_id, item.reason) for item in rejects] == [
        ("actor/0010_1000.jpg", "no such file"),
        ("zebra/0003_300.jpg", "no such file"),
    ]
    assert [path.is_file() for _, path in image_source(source).listed()] == [False, True, True, False]


def test_labelled_images_alone(tmp_path: Path) -> None:
    source = tree(tmp_path) | {"images": "labelled"}
    nested(tmp_path)
    items = list(image_source(source).read(FEW))
    assert [item.image_id for item in items] == sorted(EXPECTED)
    assert {item.image_id for item in items if isinstance(item, ImageRow)} == {
        name for name, labels in EXPECTED.items() if any(labels)
    }
    assert {item.reason for item in items if isinstance(item, RejectedImage)} == {UNLABELLED}
    assert len(list(image_source(source).listed())) == 2
    # what counts are all concepts, not the classes in use: the zebra image shows sky
    only_birds = Classes((Entry("birds"),))
    rows = [item for item in image_source(source).read(only_birds) if isinstance(item, ImageRow)]
    assert {row.image_id: row.labels for row in rows} == {
        "actor/0001_2124494179.jpg": (1,),
        "zebra/0003_300.jpg": (0,),
    }
    # an image that is not asked for may be missing
    (tmp_path / "Flickr/beach/0007_777.jpg").unlink()
    assert len(list(image_source(source).read(FEW))) == 4


def test_the_81_concepts_match_the_class_list(tmp_path: Path) -> None:
    classes = load_classes("nuswide")
    source = tree(tmp_path, labels="TrainTestLabels")
    nested(tmp_path)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (4, 81))
    for column, name in enumerate(classes.names):
        write_labels(tmp_path / "TrainTestLabels" / f"Labels_{name}_Test.txt", truth[:, column].tolist())
    rows = {row.image_id: row.labels for row in image_source(source).read(classes)}
    test = [name for name, split, *_ in IMAGES if split == "Test"]
    assert {name: tuple(row) for name, row in zip(test, truth.tolist(), strict=True)} == rows
    assert len(lists_and_labels(tmp_path, "test")[1]) == 81


def test_what_is_broken_is_one_line(tmp_path: Path) -> None:
    def message(classes: Classes = FEW, split: str = "test") -> str:
        with pytest.raises(UserError) as error:
            list(image_source({"source": "nuswide", "root": str(tmp_path), "split": split}).read(classes))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "ImageList/TestImagelist.txt: no such file" in message()
    source = tree(tmp_path)
    nested(tmp_path)
    assert found(source) == EXPECTED
    assert "no category for class 'unicorn'" in message(Classes((Entry("unicorn"),)))
    label = tmp_path / "Groundtruth/TrainTestLabels/Labels_sky_Test.txt"
    whole = label.read_bytes()
    label.write_bytes(whole[:6])
    assert "Labels_sky_Test.txt: 2 labels; expected 4, one for each image of" in message()
    label.write_bytes(whole.replace(b"1", b"2", 1))
    assert "Labels_sky_Test.txt: line 1: found '2'; expected 0 or 1" in message()
    label.write_bytes(whole.replace(b"0", b"-1", 1))
    assert "found '-'; expected 0 or 1" in message()
    label.write_bytes(whole)
    listing = tmp_path / "ImageList/TestImagelist.txt"
    names = listing.read_text()
    listing.write_text(names.replace("zebra", "actor").replace("0003_300", "0010_1000"))
    assert "actor/0010_1000.jpg is listed more than once" in message()
    listing.write_text(names)
    for path in (tmp_path / "Groundtruth/TrainTestLabels").iterdir():
        path.unlink()
    assert "Labels_airport_Test.txt: no such file" in message()


def test_all_labels_need_the_list_of_all_images(tmp_path: Path) -> None:
    source = tree(tmp_path, labels="AllLabels")
    nested(tmp_path)
    listing = tmp_path / "ImageList/Imagelist.txt"
    write_list(listing, [name for name, *_ in IMAGES[1:]])
    with pytest.raises(UserError, match=r"zebra/0003_300.jpg is not in \S*Imagelist.txt"):
        list(image_source(source).read(FEW))
    listing.unlink()
    with pytest.raises(UserError, match=r"ImageList/Imagelist.txt: no such file"):
        list(image_source(source).read(FEW))


def test_names() -> None:
    assert concept_of(Path("Labels_nighttime_Train.txt")) == "nighttime"
    assert concept_of(Path("Labels_sky.txt")) == "sky"
    assert flickr_id("0001_2124494179") == flickr_id("0_2124494179_b039ddccac_m") == "2124494179"
    assert flickr_id("administrative_assistant_0001_534152430") == "534152430"
