"""Captions composed from class names: the noun filter reads exactly what was asked for, or the caption is a reject."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from configs import default, merged, shipped

from t2ipal.captions.nouns import NounFilter
from t2ipal.classes import load_classes
from t2ipal.composed.asked import OTHER, Asked, implied
from t2ipal.composed.names import NEVER_NAMED, NamesCaptions, weights_of
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.plan.make import make_plan
from t2ipal.sources.base import source_of
from t2ipal.sources.caption_rows import Caption
from t2ipal.sources.registry import caption_source

SIZE = 100
VOC, NUSWIDE = load_classes("voc2007"), load_classes("nuswide")


def pool(classes: str, **settings: object) -> NamesCaptions:
    return caption_source({"source": "names", "classes": classes, "size": SIZE, **settings})


def names(rows: object) -> list[str]:
    return [row.text for row in rows if isinstance(row, Caption)]


@pytest.mark.slow
@pytest.mark.parametrize("classes", ["voc2007", "coco", "nuswide"])
def test_captions_of_a_shipped_list_name_all_its_classes_and_nothing_is_lost(classes: str) -> None:
    rows = list(source_of(pool(classes).spec()).rows(0))
    assert len(rows) == SIZE
    assert Counter(type(row).__name__ for row in rows)["Caption"] >= 0.95 * SIZE
    found = list(NounFilter(load_classes(classes)).label(names(rows)))
    assert all(len(labels.positive) >= 1 for labels in found)
    named = Counter(index for labels in found for index in labels.positive)
    assert len(named) > 0.8 * len(load_classes(classes))


def test_what_is_read_is_what_was_asked_for() -> None:
    asked = Asked(VOC)
    dog, cat, horse = map(VOC.index, ("dog", "cat", "horse"))
    rows = [
        ("Two dogs next to a cat.", (dog, cat)),
        ("Two dogs next to a cat.", (dog,)),
        ("Two dogs.", (dog, cat)),
        ("A statue of a horse.", (horse,)),
        ("A dog and a jar of beer.", (dog,)),
    ]
    assert list(asked.kept(rows)) == [True, False, False, False, False]


def test_a_cat_is_an_animal_where_the_list_says_so() -> None:
    cat, animal = NUSWIDE.index("cat"), NUSWIDE.index("animal")
    assert implied(NUSWIDE, cat)[0] == {cat, animal}
    assert implied(VOC, VOC.index("cat")) == ({VOC.index("cat")}, frozenset())
    assert list(Asked(NUSWIDE).kept([("Two cats.", (cat,)), ("Two animals.", (animal,))])) == [True, True]


def test_a_larger_pool_begins_like_a_smaller_one_and_seeds_differ() -> None:
    small, large = (names(pool("voc2007", size=size).rows(0)) for size in (20, 40))
    assert large[:20] == small
    assert names(pool("voc2007", size=20).rows(1)) != small


def test_no_more_classes_than_asked_for() -> None:
    found = list(NounFilter(VOC).label(names(pool("voc2007", most=2).rows(0))))
    assert Counter(len(labels.positive) for labels in found).keys() == {1, 2}


def test_a_table_of_pairs_says_what_occurs_together(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("class,other,weight\ndog,Person,3\ndog,cat,0\nsofa,cat,1\nperson,dog,1\n")
    dog, cat, person = map(VOC.index, ("dog", "cat", "person"))
    assert weights_of(str(path), VOC)[dog] == {person: 4.0, cat: 0.0}
    found = list(NounFilter(VOC).label(names(pool("voc2007", pairs=str(path)).rows(0))))
    with_dog = {labels.positive for labels in found if dog in labels.positive and len(labels.positive) == 2}
    assert with_dog <= {tuple(sorted((dog, other))) for other in range(20) if other != cat}
    for line, message in (
        ("dog,unicorn,1", "line 2: no class 'unicorn' in voc2007"),
        ("dog,cat,-1", "weight '-1'; expected"),
        ("dog,cat,nan", "line 2: weight 'nan'; expected a number >= 0"),
        ('dog,cat,"0,5"', "line 2: weight '0,5'; expected a number >= 0"),
        ("dog,cat,1e400", "line 2: weight '1e400'"),
        ("dog,cat", "line 2: 2 cells"),
        ("", "no rows; expected pairs of classes"),
    ):
        path.write_text(f"class,other,weight\n{line}\n")
        with pytest.raises(UserError, match=message):
            weights_of(str(path), VOC)

    path.write_text("class,other,weight,weight\ndog,cat,1,2\n")
    with pytest.raises(UserError, match="column 'weight' occurs twice"):
        weights_of(str(path), VOC)


def test_classes_that_cannot_be_named_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("classes:\n  - name: dog\n  - name: quickly\n    blockers: [quickly]\n  - name: cat\n")
    rows = list(pool(str(path)).rows(0))
    reasons = Counter(row.reason for row in rows if not isinstance(row, Caption))
    assert reasons[NEVER_NAMED] == 1
    assert reasons.keys() <= {NEVER_NAMED, OTHER}
    assert len(rows) == SIZE + 1
    assert {"Dog", "dog", "Cat", "cat"} & set(" ".join(names(rows)).replace(".", "").split())


def test_the_comparison_with_the_grammar_adds_its_own_runs_to_the_default_ones() -> None:
    overlay = shipped("config/names.yaml")
    alone, both = (make_plan(load_config(merged(default(), over))).runs for over in ({}, overlay))
    assert alone.keys() <= both.keys()
    assert {(run.method, run.pool, run.samples) for key, run in both.items() if key not in alone} == {
        ("tai_dpt", "names", 0), ("t2i_pal", "names", 1)
    }  # fmt: skip
