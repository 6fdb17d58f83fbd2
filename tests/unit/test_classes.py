"""Class lists: the shipped ones and those of users."""

from pathlib import Path

import pytest

from t2ipal import classes
from t2ipal.classes import class_files, load_classes
from t2ipal.errors import UserError


@pytest.mark.parametrize(("name", "count", "first", "last"), [
    ("voc2007", 20, "aeroplane", "tvmonitor"),
    ("coco", 80, "person", "toothbrush"),
    ("nuswide", 81, "airport", "zebra"),
])  # fmt: skip
def test_shipped(name: str, count: int, first: str, last: str) -> None:
    listed = load_classes(name)
    assert (len(listed), listed.names[0], listed.names[-1]) == (count, first, last)
    assert listed == load_classes(classes.FOLDER / f"{name}.yaml")
    assert class_files(name) == [classes.FOLDER / f"{name}.yaml"]


def test_names_of_tai_dpt() -> None:
    raw = {"aeroplane", "diningtable", "pottedplant", "tvmonitor", "motorbike"}
    assert raw <= set(load_classes("voc2007").names)
    assert {"motor bike", "aeroplane", "couch", "tv", "skis"} <= set(load_classes("coco").names)


def test_name_sets() -> None:
    listed = load_classes("coco")
    official = listed.named("coco_official")
    assert (official.names[3], official.names[4], official.names[0]) == ("motorcycle", "airplane", "person")
    assert "motor bike" in official.classes[3].terms
    assert "computer mouse" in listed.named("cleaned").names
    assert listed.named("tai") is listed
    with pytest.raises(UserError, match=r"no name set 'x'; it has tai, cleaned, coco_official"):
        listed.named("x")


@pytest.mark.parametrize("name", ["voc2007", "coco", "nuswide"])
def test_lists_are_clean(name: str) -> None:
    for entry in load_classes(name).classes:
        assert not set(entry.terms) & set(entry.blockers), entry.name
        for phrase in (*entry.terms, *entry.unknown, *entry.blockers):
            assert phrase == " ".join(phrase.lower().split())


def test_kinds_bring_their_words() -> None:
    listed = load_classes("nuswide")
    animal = listed.classes[listed.index("animal")]
    assert {"dog", "puppy", "creature"} <= set(animal.terms)
    assert "hot dog" in animal.blockers


def test_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# pets\nDog\n\nunicycle\nsofa\n")
    listed = load_classes(path)
    assert (listed.name, listed.names) == ("mine", ("Dog", "unicycle", "sofa"))
    path.write_text("Dog\nunicycle\nsofa\n", encoding="utf-16")  # with a mark, as spreadsheets export text
    assert load_classes(path).names == ("Dog", "unicycle", "sofa")
    path.write_bytes("Dog\ncafé\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"mine\.txt: line 2: byte 0xE9 is not UTF-8 text: Latin-1"):
        load_classes(path)
    assert "puppy" in listed.classes[0].synonyms
    assert "hot dog" in listed.classes[0].blockers
    assert listed.classes[1].terms == ("unicycle",)
    assert class_files(path)[0] == path
    assert len(class_files(path)) == 4


def test_underscores_are_spaces_in_names_and_phrases(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("traffic_lights\nbus\n")
    entry = load_classes(tmp_path / "mine.txt").classes[0]
    assert entry.terms[:3] == ("traffic lights", "traffic light", "traffic signal")
    (tmp_path / "mine.yaml").write_text(
        "classes: [{name: tea_pot, synonyms: [Tea_Kettle], blockers: [tea_pot_lid]}, bus]"
    )
    entry = load_classes(tmp_path / "mine.yaml").classes[0]
    assert (entry.terms, entry.blockers) == (("tea pot", "tea kettle"), ("tea pot lid",))


def test_names_and_synonyms_alone_get_the_words_that_the_lists_know(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "classes: [dogs, {name: cat, synonyms: [moggy]}, {name: sheep, synonyms: [lamb], blockers: []}, "
        "{name: young dog, synonyms: [puppy]}, {name: traffic_light}, unicycle]"
    )
    dogs, cat, sheep, young, light, unicycle = load_classes(path).classes
    assert {"dogs", "dog", "hound"} <= set(dogs.terms)
    assert "hot dog" in dogs.blockers
    assert "puppy" not in dogs.terms  # the file gives it to another class
    assert young.terms == ("young dog", "puppy")
    assert cat.terms[:2] == ("cat", "moggy")
    assert "kitten" in cat.terms
    assert "cat food" in cat.blockers
    assert (sheep.terms, sheep.unknown, sheep.blockers) == (("sheep", "lamb"), (), ())
    assert "traffic signal" in light.terms
    assert unicycle.terms == ("unicycle",)
    assert len(class_files(path)) == 4
    assert classes.proposed_names(path) == {"dogs", "traffic_light", "unicycle"}


def test_plain_text_keeps_two_classes_apart(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("dog\npuppy\n")
    assert "puppy" not in load_classes(path).classes[0].synonyms


def test_classes_in_one_line_of_plain_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("dog, cat\n")
    with pytest.raises(UserError, match=r"mine\.txt: the only class is 'dog, cat'; expected a line for each class"):
        load_classes(path)
    path.write_text("tench, Tinca tinca\ngoldfish\n")
    assert load_classes(path).names == ("tench, Tinca tinca", "goldfish")


@pytest.mark.parametrize(("content", "message"), [
    ("a: 1", "expected one key, `classes`"),
    ("classes: []", "no class; expected at least one"),
    ("classes: [3]", "class 1: found 3; expected a name"),
    ("classes: [{name: a, synonym: [b]}]", r"class 1 \(a\): unknown key 'synonym'; expected name, names"),
    ("classes: [{name: a, synonyms: b}]", r"synonyms: found 'b'; expected a list of phrases"),
    ("classes: [{name: a, blockers: [no]}]", r"blockers: found False; expected a phrase"),
    ("classes: [a, a]", "class 'a' occurs twice"),
    ('classes: [{name: a, synonyms: ["\\x1b[2J"]}]', r"synonyms: .* has the character U\+001B"),
    ("classes: [{name: a, synonyms: [<b>]}]", r"synonyms: '<b>' has '<'"),
    ("classes: [{name: a, kinds: [{b: 1}]}, b]", r"kinds: found .*; expected a list of classes of this file"),
    ("classes: [{name: a, kinds: [b]}]", r"kinds: found \['b'\]; expected a list of classes of this file"),
    ("classes: [{name: a, synonyms: [b], unknown: [b]}]", "'b' is a synonym and unknown"),
    ("classes: [", "not YAML"),
])  # fmt: skip
def test_malformed(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        load_classes(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_unknown_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no list 'imagenet'; expected voc2007, coco, nuswide or the path"):
        load_classes("imagenet")
    with pytest.raises(UserError, match="no list"):
        load_classes(tmp_path)


def test_a_key_twice_in_a_list_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("classes:\n- name: dog\n  synonyms: [hound]\n  synonyms: [puppy]\n")
    with pytest.raises(UserError, match=r"mine\.yaml: line 4: key 'synonyms' again, after line 3"):
        load_classes(path)
