"""The micro world: scenes are functions of their place, captions say what is true."""

import hashlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from t2ipal.micro import grammar, scenes
from t2ipal.micro.grammar import KINDS, NAMES, PEOPLE, PLURALS, SETTING_PHRASES, plural, vocabulary
from t2ipal.micro.scenes import CLASSES, PALETTE, STREAMS, TYPICAL, USUAL, WEB_SETTINGS, render

scene_of, captions_of = cache(scenes.scene_of), cache(grammar.captions_of)
"""Many tests look at the same scenes."""


def test_scene_depends_on_its_place_alone():
    later = [scenes.scene_of("test", i) for i in (7, 3)]
    assert later == [scenes.scene_of("test", 7), scenes.scene_of("test", 3)]
    assert np.array_equal(render(later[0]), render(scenes.scene_of("test", 7)))


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


def test_web_scenes_are_typical_and_the_others_are_not():
    shares = {}
    for stream in ("pretrain", "train"):
        scenes = [scene_of(stream, i) for i in range(600)]
        things = [thing for scene in scenes for thing in scene.things]
        largest = [max(scene.things, key=lambda thing: thing.size).name for scene in scenes]
        shares[stream] = (
            np.mean([thing.colour == TYPICAL[thing.name] for thing in things]),
            np.mean([scene.setting in USUAL[name] for scene, name in zip(scenes, largest, strict=True)]),
            np.mean([scene.setting in WEB_SETTINGS for scene in scenes]),
            np.mean([len(scene.things) for scene in scenes]),
            np.mean([thing.size for thing in things]),
        )
    web, daily = shares["pretrain"], shares["train"]
    assert (web[0] > 0.85, web[1] > 0.88, web[2] == 1) == (True, True, True)
    assert daily[0] < 0.35
    assert daily[1] < 0.35
    assert daily[2] == pytest.approx(9 / 14, abs=0.06)
    assert web[3] < daily[3]
    assert daily[4] < web[4]


def test_typical_colours_and_places_exist():
    assert set(TYPICAL) == set(USUAL) == set(KINDS) == set(CLASSES)
    assert all(TYPICAL[name] in colours for name, colours in PALETTE.items() if name != "person")
    assert {place for places in USUAL.values() for place in places} <= set(WEB_SETTINGS)


def test_things_hide_each_other_in_part_and_rarely_most():
    hidden = []
    for things in (scene_of("test", i).things for i in range(600)):
        if len(things) == 2:
            a, b = things
            width = min(a.x + a.size, b.x + b.size) - max(a.x, b.x)
            height = min(a.y + a.size, b.y + b.size) - max(a.y, b.y)
            hidden.append(max(0, width) * max(0, height) / min(a.size, b.size) ** 2)
    assert np.mean(np.array(hidden) > 0.7) < 0.02
    assert np.mean(np.array(hidden) > 0.05) > 0.5


def test_alt_texts_are_short_incomplete_and_sometimes_wrong():
    found = [(c, scene_of("pretrain", i)) for i in range(1500) for c in captions_of("pretrain", i)]
    wrong = [c for c, scene in found if not set(c.classes) <= set(scene.labels)]
    nothing = [c for c, _ in found if not c.classes]
    full = [c for c, scene in found if set(c.classes) == set(scene.labels)]
    assert 0.04 < len(wrong) / len(found) < 0.1
    assert 0.1 < len(nothing) / len(found) < 0.35
    assert 0.25 < len(full) / len(found) < 0.6
    assert any(re.search(r"\b(vehicle|furniture|decor)\b", c.text) for c in nothing)
    assert np.mean([len(c.text.split()) for c, _ in found]) < 8


@pytest.mark.parametrize("stream", [stream for stream in STREAMS if stream != "pretrain"])
def test_captions_name_only_things_of_the_scene(stream):
    for i in range(200):
        scene = scene_of(stream, i)
        for caption in captions_of(stream, i):
            assert set(caption.classes) <= set(scene.labels)
            assert caption.classes


def test_said_colours_and_numbers_are_true():
    colour, count = r"\ban? (red|blue|yellow|purple|white|black|grey|brown)", r"\b(two|three)"
    nouns = [
        (name, re.compile(rf"{colour} {noun}\b"), re.compile(rf"{count} {plural(noun)}\b"))
        for name, options in NAMES.items()
        for noun in options
    ]
    checked = 0
    for i in range(800):
        scene = scene_of("captions", i)
        for caption in captions_of("captions", i):
            text = caption.text.lower()
            for name, coloured, counted in nouns:
                if found := coloured.search(text):
                    colours = {t.colour for t in scene.things if t.name == name}
                    assert found[1] in colours, caption
                    checked += 1
                if number := counted.search(text):
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
    many = re.compile(rf"(two|three) ([a-z]+ )?({'|'.join(plurals)})\b")
    one_of_many = re.compile(rf"\ban? ({'|'.join(plurals - singular - same)})\b")
    checked = 0
    for i in range(800):
        for caption in captions_of("captions", i):
            text = caption.text.lower()
            for number in re.finditer(r"\b(two|three) (?:[a-z]+ )??([a-z]+(?: [a-z]+)?)", text):
                rest = text[number.start() :]
                assert many.match(rest), caption
                checked += 1
            assert not one_of_many.search(text), caption
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
