"""Which jobs start first: Table 1's, then long ones and measurements, then the rest."""

from configs import default

from t2ipal.config import Config, load_config
from t2ipal.plan import priority
from t2ipal.plan.make import Plan, make_plan
from t2ipal.plan.priority import FIRST, LAST, NEXT


def planned(**changes: object) -> tuple[Config, Plan]:
    config = load_config({**default(), **changes})
    return config, make_plan(config)


CONFIG, PLAN = planned()


def test_images_of_table_1_are_generated_first() -> None:
    assert {priority.of_images(CONFIG, "micro", "micro", sample) for sample in range(6)} == {FIRST}
    assert priority.of_images(CONFIG, "micro", "micro", 6) == LAST  # a sweep's, beyond those of the config
    assert priority.of_images(CONFIG, "micro", "steps-2", 0) == LAST
    assert priority.of_images(CONFIG, "drop-20", "micro", 0) == LAST


def test_features_follow_their_images_for_the_clip_in_use() -> None:
    assert priority.of_image_features(CONFIG, "micro", "micro", "micro", 0) == FIRST
    assert priority.of_image_features(CONFIG, "micro", "drop-20", "micro", 0) == LAST
    assert priority.of_image_features(CONFIG, "small", "micro", "micro", 0) == LAST
    assert [priority.of_labelled_features(CONFIG, clip) for clip in ("micro", "small")] == [FIRST, LAST]


def test_runs_of_table_1_come_first_then_those_with_levels() -> None:
    trained = [run for run in PLAN.runs.values() if run.trains]
    first = {run.key for run in trained if priority.of_training(PLAN, run.key) == FIRST}
    base = {("micro", name, "base") for name in CONFIG.methods}
    assert first == base | {("micro", "t2i_pal", "class_specific=False")}  # the latter is a row of `extra`
    levels = {run.key for run in trained if priority.of_training(PLAN, run.key) == NEXT}
    assert levels == {run.key for run in trained if run.protocol}
    assert len(levels) == 9
    assert len(trained) - len(first) - len(levels) == 42


def test_what_is_trained_is_measured_before_the_rest_is_trained() -> None:
    for run in PLAN.runs.values():
        training, evaluation = priority.of_training(PLAN, run.key), priority.of_evaluation(PLAN, run.key)
        assert evaluation == (FIRST if training == FIRST else NEXT)


def test_what_a_row_of_table_1_combines_comes_first() -> None:
    extra = {"a": {"method": "t2i_pal", "set": {"alpha": 0.5}, "scores": "sparc"}}
    _, plan = planned(extra=extra)
    assert priority.of_training(plan, ("micro", "t2i_pal", "alpha=0.5")) == FIRST


def test_without_tables_the_base_runs_come_first() -> None:
    micro = {**default()["datasets"]["micro"], "test": None, "photos": {"path": "photos"}}
    none = {"score_rules": None, "partial": None, "novel": None, "few_shot": None, "extra": {}, "ablations": {}}
    _, plan = planned(datasets={"micro": micro}, **none)
    assert plan.tables == {}
    assert {priority.of_training(plan, key) for key in plan.runs} == {FIRST}
