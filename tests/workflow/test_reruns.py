"""What a change reruns: each config key, file of code or resource, and exactly the rules that follow from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from project import Project, copy_project

SHEETS = {"contact_sheet": 1}
TABLES = {"table1": 1, "sweep": 1, "per_class": 1}
CURVES = {"training_curves": 1}
GAP = {"modality_gap": 1}
HEAT = {"heat_maps": 1}
PAL = {"train": 1, "evaluate": 1, **TABLES, **CURVES, **HEAT}
PAL_SWEEP = {"train_sweep": 1, "evaluate_sweep": 1}
TAI = {"train": 1, "evaluate": 1, **TABLES, **CURVES, **GAP}
TRAINED = {"train": 2, "evaluate": 2, **PAL_SWEEP, **TABLES, **CURVES, **GAP, **HEAT}
ALL_RUNS = {**TRAINED, "train": 3, "evaluate": 3}
DRAWN = {"generate": 1, "features_drawn": 1, **SHEETS}
FILTERED = {"captions_drawn": 1, **DRAWN, "features_captions": 1, "captions_page": 1, **TRAINED}
TEST_IMAGES = {"features_labelled": 1, "evaluate": 3, "evaluate_sweep": 1, **TABLES, **GAP, **HEAT}

KEYS: list[tuple[str, Any, dict[str, int]]] = [
    ("settings.t2i_pal.gamma", 0.3, {**PAL, **PAL_SWEEP}),  # 0.2 of the sweep is then no longer the base run
    ("settings.t2i_pal.eta", 0.5, {**PAL, **PAL_SWEEP}),
    ("settings.tai_dpt.eta", 0.5, TAI),
    ("settings.zsclip.template", "{}", {"train": 1, "evaluate": 1, "table1": 1, "sweep": 1, "per_class": 1}),
    ("training.epochs", 4, TRAINED),
    ("seeds", [1, 2, 3], TRAINED),
    ("methods", ["tai_dpt", "t2i_pal"], {"table1": 1, "sweep": 1, "per_class": 1}),
    ("sweeps.fig3a.values", [0.2, 0.6, 0.8], {**PAL_SWEEP, "sweep": 1}),
    (
        "text_to_image.micro.samples",
        2,
        {**DRAWN, "train": 1, "evaluate": 1, **PAL_SWEEP, **TABLES, **CURVES, **HEAT},
    ),
    (
        "text_to_image.micro.steps",
        3,
        {**DRAWN, "train": 1, "evaluate": 1, **PAL_SWEEP, **TABLES, **CURVES, **GAP, **HEAT},
    ),
    ("datasets.micro.title", "a world", {"table1": 1, "sweep": 1, "per_class": 1, **CURVES, **GAP}),
    ("datasets.micro.test.size", 160, {"labelled_images": 1, **TEST_IMAGES}),
    ("datasets.micro.filter", "tai_dpt", {"captions_label": 1, **FILTERED}),
    ("pools.micro.size", 70, {"captions_read": 1, "captions_label": 1, **FILTERED}),
    (
        "clip.micro.crop",
        "squash",
        {"features_drawn": 1, "features_labelled": 1, "train": 1, "evaluate": 3, **PAL_SWEEP, **TABLES, **CURVES}
        | {**GAP, **HEAT},
    ),
]

CODE: list[tuple[str, dict[str, int]]] = [
    ("t2ipal/captions/nouns.py", {"captions_label": 1, **FILTERED}),
    ("t2ipal/images/pipeline.py", {**DRAWN, "train": 1, "evaluate": 1, **PAL_SWEEP, **TABLES, **CURVES, **GAP, **HEAT}),
    ("t2ipal/methods/t2i_pal.py", {**PAL, **PAL_SWEEP}),
    ("t2ipal/methods/tai_dpt.py", TAI),
    ("t2ipal/models/losses.py", ALL_RUNS),  # zsclip shares a file with those that learn prompts
    ("t2ipal/tables/numbers.py", {"table1": 1, "sweep": 1, "per_class": 1, **CURVES, **GAP}),
    ("t2ipal/gallery.py", {"captions_page": 1, **SHEETS, **HEAT}),
    ("workflow_scripts/evaluate.py", {"evaluate": 3, "evaluate_sweep": 1, **TABLES, **GAP}),
    ("resources/paper_results.csv", {"table1": 1, "sweep": 1}),
]


NOTHING_KEYS: dict[str, Any] = {
    "text_to_image": {"micro": {"batch": 4}},
    "clip": {"micro": {"batch": 16}},
    "data_dir": "elsewhere",
    "pools": {"unused": {"source": "micro", "size": 5}},
}
NOTHING_CODE = (
    *("t2ipal/config.py", "t2ipal/plan.py", "workflow_scripts/job.py", "workflow_scripts/driver.py", "config.yaml"),
    *("rules/train.smk", "Snakefile"),
)


@pytest.fixture(scope="module")
def shared(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy whose config and code these tests change and restore; dry runs leave its results alone."""
    return copy_project(finished, tmp_path_factory.mktemp("reruns") / "project")


def nested(path: str, value: object) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def test_a_copy_reruns_nothing(shared: Project) -> None:
    assert shared.planned() == {}


def test_what_decides_no_content_reruns_nothing(shared: Project) -> None:
    texts = {name: (shared.path / name).read_text() for name in NOTHING_CODE}
    shared.configure(NOTHING_KEYS)
    for name, text in texts.items():
        (shared.path / name).write_text(text + "\n# a change\n")
    try:
        assert shared.planned() == {}
    finally:
        shared.configure()
        for name, text in texts.items():
            (shared.path / name).write_text(text)


@pytest.mark.parametrize(("key", "value", "expected"), KEYS, ids=[key for key, *_ in KEYS])
def test_a_changed_key_reruns_exactly(shared: Project, key: str, value: object, expected: dict[str, int]) -> None:
    shared.configure(nested(key, value))
    try:
        assert shared.planned() == expected
    finally:
        shared.configure()


@pytest.mark.parametrize(("name", "expected"), CODE, ids=[name for name, _ in CODE])
def test_changed_code_reruns_exactly(shared: Project, name: str, expected: dict[str, int]) -> None:
    path = shared.path / name
    content = path.read_bytes()
    path.write_bytes(content + (b"T9,voc2007,none,none,1.0,mAP,\n" if path.suffix == ".csv" else b"\n# a change\n"))
    try:
        assert shared.planned() == expected
    finally:
        path.write_bytes(content)


def test_a_changed_synonym_reruns_from_the_filter(shared: Project) -> None:
    path = shared.path / "resources/classes/voc2007.yaml"
    text = path.read_text()
    changed = text.replace("synonyms: [", "synonyms: [zzz word, ", 1)
    assert changed != text
    path.write_text(changed)
    try:
        assert shared.planned() == {"captions_label": 1, **FILTERED}
    finally:
        path.write_text(text)


def test_touching_every_file_reruns_nothing(shared: Project) -> None:
    for folder, _, names in os.walk(shared.path):
        if ".snakemake" not in Path(folder).parts:
            for name in names:
                os.utime(Path(folder, name))
    assert shared.planned() == {}


def test_a_fresh_checkout_with_the_results_reruns_nothing(shared: Project, tmp_path: Path) -> None:
    """Code and models come from elsewhere and are newer than the results."""
    copy = copy_project(shared, tmp_path / "fresh")
    for path in [*copy.path.glob("t2ipal/**/*.py"), *copy.path.glob("*/*"), *copy.path.glob("models/**/*")]:
        if path.is_file():
            os.utime(path)
    assert copy.planned() == {}
