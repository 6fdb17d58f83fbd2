"""What a change reruns: each config key, file of code or resource, and exactly the rules that follow from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from project import TINY, Project, announced, copy_project, copy_sources, merged

SHEETS, AUDIT = {"contact_sheet": 1}, {"image_audit": 1}
LEVELS = {"levels": 2}
TEXTS = {"table": 5, "claims": 1, "sweep": 1, "per_class": 1, **LEVELS}  # all tables, and figures that show them
CURVES = {"training_curves": 1}
GAP = {"modality_gap": 1}
HEAT = {"heat_maps": 1}
PAL_SHOWN = {**TEXTS, "table": 4, **CURVES, **GAP, **HEAT}  # Table 3 has no T2I-PAL here
FUSED_PAL, FUSED_TAI = {"combine": 2}, {"combine": 3}  # with DualCoOp and CoOp, and TaI-DPT on the novel classes
PAL = {"train": 3, "evaluate": 3, **FUSED_PAL, **PAL_SHOWN}
TAI = {"train": 1, "evaluate": 1, **FUSED_TAI, **TEXTS, **CURVES, **GAP}
TRAINED = {**PAL, "train": 4, "evaluate": 4, "combine": 5, **TEXTS}
LABEL_RUNS = {"train": 4, "evaluate": 4, "combine": 4}  # two of Table 2, one each of Tables 3 and 4
ALL_RUNS = {**TRAINED, "train": 9, "evaluate": 9, "combine": 6}
MEASURED = {"evaluate": 9, "combine": 6, **TEXTS, **GAP}
GENERATED = {"generate": 1, "features_generated": 1, **SHEETS, **AUDIT}
FILTERED = {"captions_selected": 1, **GENERATED, "features_captions": 1, "captions_page": 1, **TRAINED}
READ = {"captions_read": 1, "captions_label": 1, **FILTERED}


def one_of_table(table: int, combine: int = 0, levels: int = 1, runs: int = 1) -> dict[str, int]:
    """What a label-trained method of one table reruns."""
    found = {
        "train": runs,
        "evaluate": runs,
        "combine": combine,
        "levels": levels,
        "table": table,
        "claims": 1,
    }
    return {rule: count for rule, count in found.items() if count}


KEYS: list[tuple[str, Any, dict[str, int]]] = [
    # 0.2 of the sweep is then no longer the base run; gamma 1 of Table 5 stays what it is
    ("settings.t2i_pal.gamma", 0.3, {**PAL, "train": 2, "evaluate": 2}),
    ("settings.t2i_pal.eta", 0.5, PAL),
    ("settings.tai_dpt.eta", 0.5, TAI),
    (
        "settings.zsclip.template",
        "{}",
        {"train": 1, "evaluate": 1, "combine": 1, **TEXTS, "table": 2, "levels": 1, **GAP},
    ),
    ("settings.dualcoop.lr", 0.5, one_of_table(1, combine=2)),
    ("settings.partial_bce.lr", 0.5, one_of_table(1)),
    ("training.epochs", 4, TRAINED),
    ("seeds", [1, 2, 3], {**TRAINED, "protocol": 3, "train": 8, "evaluate": 8}),
    # gamma 0.6 of the sweep and gamma 1 of Table 5: the others are in Tables 1 to 4 too
    ("variation_seeds", 1, {"train": 2, "evaluate": 2, "table": 1, "sweep": 1, "claims": 1}),
    ("sweeps.fig3a.values", [0.2, 0.6, 0.8], {"train": 1, "evaluate": 1, "sweep": 1}),
    (
        "sweeps.fig4",
        {"method": "t2i_pal", "key": "samples", "values": [1, 2]},
        # one image per caption above TaI-DPT is a claim of the paper
        {"generate": 1, "features_generated": 1, "train": 1, "evaluate": 1, "sweep": 1, "claims": 1},
    ),
    (
        "extra.mine",
        {"method": "t2i_pal", "set": {"class_specific": False}},
        {"train": 1, "evaluate": 1, "table": 1, "claims": 1},
    ),
    (
        "ablations.mine",
        {"title": "Mine", "rows": {"a": {"method": "t2i_pal", "set": {"alpha": 0.5}}}},
        {"train": 1, "evaluate": 1, "table": 1},
    ),
    ("ablations.table5.rows.full.title", "Full", {"table": 1, "claims": 1}),
    ("partial.levels", [50, 80], {"protocol": 1, **one_of_table(1, combine=2, runs=2)}),
    ("partial.masks", "tai_dpt", {"protocol": 1, **one_of_table(1, combine=2, runs=2)}),
    ("partial.methods", ["partial_bce", "dualcoop", "gcn_ml"], one_of_table(1)),
    ("partial.fuse.weight", 0.5, one_of_table(1, combine=2, runs=0)),
    ("few_shot.levels", [1, 2, 4], {"protocol": 1, **one_of_table(1, combine=2)}),
    ("novel.classes", 5, {"protocol": 1, **one_of_table(1, combine=1, levels=0)}),
    # the audit sees the first image of each caption
    ("text_to_image.micro.samples", 2, {"generate": 1, "features_generated": 1, **SHEETS, **PAL}),
    ("text_to_image.micro.steps", 3, {**GENERATED, **PAL}),
    ("text_to_image.micro.store_size", 16, {**GENERATED, **PAL}),
    ("datasets.micro.title", "a world", {**TEXTS, **CURVES, **GAP, **AUDIT}),
    ("datasets.micro.test.size", 160, {"labelled_images": 1, "features_labelled": 1, **MEASURED, **HEAT}),
    ("datasets.micro.validation.size", 70, {"labelled_images": 1, "features_labelled": 1, **MEASURED, **AUDIT}),
    (
        "datasets.micro.train.size",
        130,
        {"labelled_images": 1, "features_labelled": 1, "protocol": 3, **LABEL_RUNS, "table": 3, "claims": 1, **LEVELS},
    ),
    ("datasets.micro.filter", "tai_dpt", {"captions_label": 1, **FILTERED}),
    ("pools.micro.size", 70, READ),
    ("pools.micro.drop_words", 0.5, READ),
    (
        "clip.micro.crop",
        "squash",
        {"features_generated": 1, "features_labelled": 3, **ALL_RUNS, "train": 7, **AUDIT},
    ),
    (
        "clip.micro.store",
        "int8",
        {
            "features_generated": 1,
            "features_labelled": 3,
            "features_captions": 1,
            "features_templates": 1,
            **ALL_RUNS,
            **AUDIT,
        },
    ),
    # pos of the generated images is read by the audit, and that of test and validation images by ZSCLIP
    ("settings.t2i_pal.global_feature", "pos", PAL),
    # nobody reads pos of the test images any more: the files stay as they are
    (
        "settings.zsclip.global_feature",
        "nopos",
        {"train": 1, "evaluate": 1, "combine": 1, **TEXTS, "table": 2, "levels": 1, **GAP},
    ),
    ("bootstrap", 200, MEASURED),
]

CODE: list[tuple[str, dict[str, int]]] = [
    ("t2ipal/captions/nouns.py", {"captions_label": 1, **FILTERED}),
    ("t2ipal/images/pipeline.py", {**GENERATED, **PAL}),
    ("t2ipal/methods/t2i_pal.py", PAL),
    ("t2ipal/methods/tai_dpt.py", TAI),
    ("t2ipal/methods/dualcoop.py", one_of_table(1, combine=2)),
    ("t2ipal/models/losses.py", ALL_RUNS),  # zsclip shares a file with those that learn prompts
    ("t2ipal/protocols/few_shot.py", {"protocol": 3, **ALL_RUNS}),
    ("t2ipal/metrics/score_fusion.py", MEASURED),
    ("t2ipal/metrics/bootstrap.py", {**MEASURED, **CURVES}),  # the registry of metrics names it, and figures read that
    ("t2ipal/tables/grid.py", {**TEXTS, **CURVES, **GAP}),
    ("t2ipal/figures/sweep.py", {"sweep": 1, "per_class": 1, **LEVELS, **CURVES, **GAP}),
    ("t2ipal/pages/sheets.py", {"captions_page": 1, **SHEETS, **HEAT, **AUDIT}),
    ("t2ipal/pages/templates/style.css", {"table": 5, "claims": 1, "captions_page": 1, **AUDIT}),
    ("workflow_scripts/evaluate.py", {**MEASURED, "combine": 5}),  # the rule `cells` reads models and features
    ("resources/paper_results.csv", {"table": 5, "claims": 1, "sweep": 1, **LEVELS}),
]


NOTHING_KEYS: dict[str, Any] = {
    "text_to_image": {"micro": {"batch": 4, "compile": "off"}},
    "clip": {"micro": {"batch": 16}},
    "data_dir": "elsewhere",
    "pools": {"unused": {"source": "micro", "size": 5}},
    "search": {"partial_bce": {"level": 90}},
}
NOTHING_CODE = (
    *("t2ipal/config/schema.py", "t2ipal/plan/runs.py", "t2ipal/runtime/job.py", "t2ipal/version.py"),
    *("t2ipal/validation.py", "t2ipal/sources/registry.py", "t2ipal/sources/voc.py"),
    *("rules/train.smk", "Snakefile", "config.yaml"),
)


@pytest.fixture(scope="module")
def shared(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy whose config and code these tests change and restore; dry runs leave its results alone.

    What they change in code is a comment, so that modules may stay imported.
    """
    with copy_project(finished, tmp_path_factory.mktemp("reruns") / "project").with_modules() as project:
        yield project


def nested(path: str, value: object) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def test_a_copy_reruns_nothing(shared: Project) -> None:
    assert shared.planned() == {}


def test_a_command_line_plans_what_a_warm_python_plans(shared: Project) -> None:
    shared.configure(nested("settings.t2i_pal.eta", 0.5))
    try:
        assert announced(shared.run_command("-n")) == PAL
        assert shared.planned() == PAL
    finally:
        shared.configure()


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


def test_photographs_that_are_replaced_are_read_again(tmp_path: Path) -> None:
    """By others of the same size and name that are older than the results; and so is a class list."""
    project = copy_sources(tmp_path / "project")
    photo, classes = project.path / "data/photos/a.png", project.path / "classes.txt"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(photo)
    classes.write_text("dog\ncat\n")
    (project.path / "data/labels.csv").write_text("image,dog,cat\na.png,1,1\n")
    test = {"source": "folder", "path": "photos", "labels": "labels.csv", "size": None}
    data = {"test": {key: value for key, value in test.items() if value}, "classes": "classes.txt"}
    (project.path / "tiny.yaml").write_text(yaml.safe_dump(merged(TINY, {"datasets": {"micro": None, "mine": {
        "title": "Mine", "pool": "micro", **data}}})))  # fmt: skip
    target = "results/tiny/images/test/mine.parquet"
    assert project.run(target).returncode == 0
    assert project.planned(target) == {}
    Image.new("RGB", (8, 8), "blue").save(photo)
    os.utime(photo, (1, 1))
    assert project.planned(target) == {"labelled_images": 1}
