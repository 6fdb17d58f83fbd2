"""The micro world: scenes are functions of their place, captions say what is true."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from t2ipal.micro.grammar import NAMES, PEOPLE, PLURALS, SETTING_PHRASES, captions_of, plural, vocabulary
from t2ipal.micro.scenes import CLASSES, STREAMS, render, scene_of


def test_scene_depends_on_its_place_alone():
    later = [scene_of("test", i) for i in (7, 3)]
    assert later == [scene_of("test", 7), scene_of("test", 3)]
    assert np.array_equal(render(later[0]), render(scene_of("test", 7)))


def test_another_process_draws_and_says_the_same_in_another_order():
    program = """
import hashlib
from t2ipal.micro.grammar import captions_of
from t2ipal.micro.scenes import render, scene_of
for i in (90, 4, 17):
    print(i, hashlib.sha256(render(scene_of("test", i)).tobytes()).hexdigest(), captions_of("test", i))
"""
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    here = [
        f"{i} {hashlib.sha256(render(scene_of('test', i)).tobytes()).hexdigest()} {captions_of('test', i)}"
        for i in (4, 17, 90)
    ]
    assert sorted(run.stdout.splitlines()) == sorted(here)


def test_streams_and_seeds_are_disjoint():
    drawn = [scene_of(stream, i, seed) for stream in STREAMS for seed in (0, 1) for i in range(50)]
    assert len(set(drawn)) == len(drawn)
    with pytest.raises(ValueError, match="no stream"):
        scene_of("train2", 0)


def test_labels_are_what_is_drawn_and_all_classes_occur():
    scenes = [scene_of("validation", i) for i in range(600)]
    assert all(scene.labels == tuple(sorted({t.cls for t in scene.things})) for scene in scenes)
    counts = np.bincount([label for scene in scenes for label in scene.labels], minlength=len(CLASSES))
    assert counts.min() > 600 / len(CLASSES) / 3


def test_things_leave_a_mark_inside_the_picture():
    for i in range(50):
        scene = scene_of("train", i)
        pixels = render(scene, 64).astype(int)
        assert pixels.shape == (64, 64, 3)
        for thing in scene.things:
            assert 0 <= thing.x <= 1 - thing.size
            assert 0 <= thing.y <= 1 - thing.size
            left, top, side = (round(64 * v) for v in (thing.x, thing.y, thing.size))
            inside = pixels[top : top + side, left : left + side]
            assert inside.std(axis=(0, 1)).max() > 8


@pytest.mark.parametrize("stream", STREAMS)
def test_captions_name_only_things_of_the_scene(stream):
    for i in range(200):
        scene = scene_of(stream, i)
        for caption in captions_of(stream, i):
            assert set(caption.classes) <= set(scene.labels)
            assert caption.classes


def test_said_colours_and_numbers_are_true():
    nouns = {noun: name for name, options in NAMES.items() for noun in options}
    checked = 0
    for i in range(800):
        scene = scene_of("captions", i)
        for caption in captions_of("captions", i):
            text = caption.text.lower()
            for noun, name in nouns.items():
                found = re.search(rf"\ban? (red|blue|yellow|purple|white|black|grey|brown) {noun}\b", text)
                if found:
                    colours = {t.colour for t in scene.things if t.name == name}
                    assert found[1] in colours, caption
                    checked += 1
                number = re.search(rf"\b(two|three) {plural(noun)}\b", text)
                if number:
                    same = sum(t.name == name for t in scene.things)
                    assert same == {"two": 2, "three": 3}[number[1]], caption
                    checked += 1
    assert checked > 100


def test_said_settings_are_true():
    checked = 0
    for i in range(300):
        setting = scene_of("captions", i).setting
        for caption in captions_of("captions", i):
            for name, phrases in SETTING_PHRASES.items():
                if any(re.search(rf"\b{phrase}\b", caption.text) for phrase in phrases):
                    assert name == setting, caption
                    checked += 1
    assert checked > 100


def test_numbers_agree_with_their_nouns():
    singular = {noun for table in (NAMES, PEOPLE) for nouns in table.values() for noun in nouns}
    plurals = {plural(noun) for noun in singular}
    same = {noun for noun, many in PLURALS.items() if noun == many}
    checked = 0
    for i in range(800):
        for caption in captions_of("captions", i):
            text = caption.text.lower()
            for number in re.finditer(r"\b(two|three) (?:[a-z]+ )??([a-z]+(?: [a-z]+)?)", text):
                rest = text[number.start() :]
                assert any(re.match(rf"(two|three) ([a-z]+ )?{noun}\b", rest) for noun in plurals), caption
                checked += 1
            assert not any(re.search(rf"\ban? {noun}\b", text) for noun in plurals - singular - same), caption
    assert checked > 100


def test_left_and_right_are_true():
    checked = 0
    for i in range(800):
        scene = scene_of("captions", i)
        for caption in captions_of("captions", i):
            if "left of" not in caption.text or len(scene.things) != 2:
                continue
            said = caption.text.lower()
            left = min(scene.things, key=lambda t: t.x + t.size / 2)
            names = PEOPLE[left.kind] if left.kind else NAMES[left.name]
            before = said.split("left of")[0]
            assert any(re.search(rf"\b({noun}|{plural(noun)})\b", before) for noun in names), caption
            checked += 1
    assert checked > 20


def test_grammar_sets_traps_that_are_not_drawn():
    texts = [(c.text, c.classes) for i in range(600) for c in captions_of("captions", i, 1)]
    other = re.compile(r"(?<!hot )\b(dog|puppy)")
    dogs = [classes for text, classes in texts if "hot dog" in text and not other.search(text)]
    assert dogs
    assert all(CLASSES.index("dog") not in classes for classes in dogs)


def test_vocabulary_covers_every_caption():
    words = set(vocabulary())
    for stream in ("pretrain", "captions"):
        for i in range(500):
            for caption in captions_of(stream, i):
                assert set(re.findall(r"[a-z0-9]+|[^a-z0-9\s]", caption.text.lower())) <= words, caption
