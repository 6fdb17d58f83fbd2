"""The words that stand for classes, shown to a person."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from t2ipal.captions.class_words import as_yaml, class_words, find_captions, lines, warnings, words_table
from t2ipal.classes import load_classes
from t2ipal.cli import main

TEXTS = ["Two puppies and a cat.", "A hot dog.", "An emu.", "Emus and a dog", "nothing", "a statue of a cat"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "classes.txt").write_text("# mine\ndog\ncat\nemu\nwombat\n", "utf-8")
    (tmp_path / "captions.txt").write_text("\n".join(TEXTS), "utf-8")
    return tmp_path


def test_known_classes_bring_words_and_others_have_their_name(folder: Path) -> None:
    rows = {row.name: row for row in class_words(folder / "classes.txt")}
    assert list(rows) == ["dog", "cat", "emu", "wombat"]
    assert {name: row.source for name, row in rows.items()} == {
        "dog": "known lists", "cat": "known lists", "emu": "name only", "wombat": "name only"}  # fmt: skip
    assert rows["dog"].words[:2] == ("dog", "puppy")
    assert "hot dog" in rows["dog"].blockers
    assert rows["emu"].words == ("emu",)
    assert rows["emu"].captions is None


@pytest.mark.slow
def test_captions_are_counted_and_classes_in_none_are_told(folder: Path) -> None:
    counts, named, total = find_captions(folder / "captions.txt", load_classes(folder / "classes.txt"))
    rows = class_words(folder / "classes.txt", counts)
    assert [(row.name, row.captions) for row in rows] == [("dog", 2), ("cat", 1), ("emu", 2), ("wombat", 0)]
    assert (named, total) == (3, 6)
    assert warnings(rows) == [
        "1 class is in no caption: wombat (known by name alone; add captions, or synonyms to the class list)"
    ]
    assert warnings(rows[:3]) == []
    empty = {"words": ["wombat"], "unknown": [], "blockers": []}
    assert words_table(rows).to_pylist()[3] == {"class": "wombat", "captions": 0, **empty, "source": "name only"}


def test_the_proposal_as_a_class_list_says_the_same(folder: Path) -> None:
    rows = class_words(folder / "classes.txt")
    (folder / "classes.yaml").write_text(as_yaml(rows), "utf-8")
    again = class_words(folder / "classes.yaml")
    assert [(row.name, row.words, row.unknown, row.blockers) for row in again] == [
        (row.name, row.words, row.unknown, row.blockers) for row in rows
    ]
    assert [row.source for row in again] == ["given", "given", "name only", "name only"]
    assert yaml.safe_load(as_yaml(rows))["classes"][2] == {"name": "emu"}


def test_lines_are_short_unless_all_is_asked_for(folder: Path) -> None:
    rows = class_words(folder / "classes.txt", {0: 1200})
    few = lines(rows, 2, more=False)
    assert len(few) == 4
    assert few[0] == f"dog       1,200 captions  dog, puppy and {len(rows[0].words) - 2} more [known lists]"
    assert few[2].endswith("emu [name only]")
    assert any(line.strip().startswith("not: hot dog, hotdog and") for line in lines(rows, 2))
    assert "more" not in "\n".join(lines(rows, None))


def test_the_command_shows_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classes", str(folder / "classes.txt"), "--captions", str(folder / "captions.txt")]) == 0
    shown = capsys.readouterr()
    assert shown.err.splitlines()[0] == "3 of 6 captions name a class"
    assert "warning: 1 class is in no caption: wombat" in shown.err
    assert shown.out.startswith("dog           2 captions  dog, puppy")
    assert main(["classes", str(folder / "classes.txt"), "--yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["classes"][3] == {"name": "wombat"}


def test_mistakes_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "twice.txt").write_text("dog\ncat\ndog\n")
    (folder / "none.txt").write_text("# nothing\n")
    expected = {
        "twice.txt": "class 'dog' occurs twice",
        "none.txt": "no class; expected at least one",
        "x.txt": "no list",
    }
    for name, text in expected.items():
        assert main(["classes", str(folder / name)]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert text in error
        assert len(error.splitlines()) == 1
