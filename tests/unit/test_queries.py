"""What rules ask of the plan."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from configs import default, merged

from t2ipal.config import Config, load_config
from t2ipal.features.fields import ALL_FIELDS
from t2ipal.plan import queries
from t2ipal.plan.image_fields import generated_fields, labelled_fields
from t2ipal.plan.make import Plan, make_plan

ROOT = Path(__file__).resolve().parents[2]


def planned(change: dict[str, Any] | None = None) -> tuple[Config, Plan]:
    config = load_config(merged(default(), change or {}))
    return config, make_plan(config)


def bare(*methods: str) -> tuple[Config, Plan]:
    """Table 1 alone."""
    none = {
        "extra": {},
        "ablations": {},
        "sweeps": {},
        **dict.fromkeys(("score_rules", "partial", "novel", "few_shot")),
    }
    config = load_config({**default(), **none, "methods": list(methods)})
    return config, make_plan(config)


CONFIG, PLAN = planned()
PHOTOS = {
    "datasets": {"mine": {**default()["datasets"]["micro"], "test": None, "photos": {"path": "photos"}, "cap": 9}}
}


def test_pools_are_those_that_runs_read_and_readers_those_whose_classes_are_looked_for() -> None:
    assert queries.pools(CONFIG, PLAN) == ["micro", "drop-20", "drop-40"]
    config, plan = planned({"ablations": {"supplement": None}})
    assert queries.pools(config, plan) == ["micro"]
    config, plan = planned(PHOTOS)
    assert queries.readers(config, plan, "micro") == ["micro", "mine"]
    assert queries.readers(config, plan, "drop-20") == ["micro"]  # a variation of a table: not of photos


def test_labels_have_a_name_by_class_list_filter_and_limits() -> None:
    config, plan = planned(PHOTOS)
    assert [queries.labels_name(config, name) for name in config.datasets] == [
        "voc2007-default",
        "voc2007-default-cap9",
    ]
    assert queries.labels_owner(config, plan, "micro", "voc2007-default-cap9") == "mine"


def test_class_lists_have_a_name_in_paths() -> None:
    assert queries.classes_name(CONFIG, "micro") == "voc2007"
    assert queries.classes_owner(CONFIG, "voc2007") == "micro"


def test_features_are_those_that_trainings_and_evaluations_read() -> None:
    config, plan = bare("tai_dpt")
    assert queries.features(config, plan) == [
        "micro/captions/micro",
        "micro/templates/voc2007",
        "micro/test/micro",
        "micro/validation/micro",
    ]
    names = queries.features(CONFIG, PLAN)
    assert {name for name in names if name.startswith("micro/images/micro/micro/")} == {
        f"micro/images/micro/micro/sample{k}/shard-0" for k in range(6)
    }
    assert {"micro/images/drop-20/micro/sample0/shard-0", "micro/train/micro", "small/test/micro"} <= set(names)
    config, plan = planned(PHOTOS)
    assert "micro/test/mine" not in queries.features(config, plan)
    assert queries.photo_datasets(config) == ["mine"]


def test_the_file_of_a_protocol_has_the_levels_of_all_its_runs_or_of_its_searches() -> None:
    config, plan = planned({"search": {"partial_bce": {"level": 50, "grid": {"lr": [0.1]}}}})
    runs = queries.protocol_runs(plan, "partial", "micro")
    assert queries.protocol_spec(config, plan, "partial", "micro") == {
        "protocol": "partial",
        "levels": sorted({level for run in runs for level in run.levels}),
        "seeds": sorted({seed for run in runs for seed in run.seeds}),
        "novel": [],
        "masks": "sarb",
    }
    search = queries.protocol_spec(config, plan, "partial-search", "micro")
    assert (search["protocol"], search["seeds"]) == ("partial", list(config.search_seeds))
    assert 50 in search["levels"]
    novel = queries.protocol_spec(config, plan, "novel", "micro")
    assert novel["novel"] == list(plan.novel["micro"])
    assert "masks" not in novel
    config, plan = planned({"partial": {"masks": "tai_dpt"}})
    assert queries.protocol_spec(config, plan, "partial", "micro")["masks"] == "tai_dpt"
    assert "TaI-DPT's masks" in plan.tables["table2"].notes[-1]
    assert queries.search_novel(config, plan, "partial_bce", "micro") == ()


def test_images_are_generated_for_the_most_that_any_run_uses() -> None:
    assert queries.images_to_generate(PLAN, "micro") == [("micro", 6), ("steps-2", 1), ("steps-4", 1)]
    assert queries.images_to_generate(PLAN, "drop-20") == [("micro", 1)]
    _, plan = bare("tai_dpt")
    assert queries.images_to_generate(plan, "micro") == []


def test_labelled_images_are_those_of_tests_thresholds_and_methods_that_learn_from_labels() -> None:
    assert queries.labelled_images(CONFIG, PLAN) == [("test", "micro"), ("validation", "micro"), ("train", "micro")]
    config, plan = planned(PHOTOS)
    assert ("test", "mine") not in queries.labelled_images(config, plan)


def test_the_runs_of_a_table_are_named_once() -> None:
    runs = queries.table_runs(PLAN, [PLAN.tables["table2"]])
    assert [run.method for run in runs][:2] == ["ssgrl", "gcn_ml"]
    assert len(runs) == 7


def test_a_sweep_is_read_with_the_base_runs() -> None:
    runs = queries.sweep_runs(PLAN, "fig3a", "micro")
    assert [run.variant for run in runs[:3]] == ["gamma=0", "base", "gamma=0.4"]
    assert [run.method for run in runs[6:]] == ["zsclip", "clip_dpt", "tai_dpt", "comc", "oracle"]


def test_a_sweep_has_the_default_and_claims_have_the_papers_pairs() -> None:
    spec = queries.sweep_spec(CONFIG, PLAN, "fig4", "micro")
    assert (spec.default, spec.above) == (6, ())  # what the paper claims changes no figure
    assert queries.sweep_spec(CONFIG, PLAN, "fig3a", "micro").default == 0.2
    claimed = {sweep.name: sweep for sweep in queries.claims_spec(CONFIG, PLAN).sweeps}
    assert claimed["fig4"].above == ((6, 1), (1, "tai_dpt"))
    assert [point.value for point in claimed["fig4"].points] == [1, 6]
    runs = {run.key for run in queries.claims_runs(CONFIG, PLAN)}
    assert runs >= {point.run for sweep in claimed.values() for point in sweep.points}
    claiming = [table for name, table in PLAN.tables.items() if name != "calibration"]  # which compares nothing
    assert runs >= {cell.run for table in claiming for cell in table.cells}


def test_a_figure_of_levels_is_a_block_of_its_table() -> None:
    assert queries.level_figures(CONFIG, PLAN) == [("partial", "micro"), ("few_shot", "micro")]
    spec = queries.levels_spec(CONFIG, PLAN, "few_shot", "micro")
    assert (spec.axis, spec.title, spec.dataset.title) == ("shots", "Table 4. Few-shot", "micro world")
    assert spec.rows == PLAN.tables["table4"].blocks[0].rows
    two = {"datasets": {"other": {**default()["datasets"]["micro"], "title": "other"}}}
    config, plan = planned(two)
    assert queries.levels_spec(config, plan, "partial", "other").rows == plan.tables["table2"].blocks[1].rows
    assert {run.dataset for run in queries.levels_runs(config, plan, "partial", "other")} == {"other"}


def test_searches_are_of_data_sets_with_validation_images() -> None:
    assert queries.searches(CONFIG) == [("micro", "micro", method) for method in CONFIG.search]
    assert queries.search_protocol(CONFIG, "coop") == "few_shot"
    assert queries.search_protocol(CONFIG, "t2i_pal") is None
    assert queries.search_levels(CONFIG, "partial") == [50]
    config, _ = planned({"datasets": {"micro": {"validation": None}}})
    assert queries.searches(config) == []


def test_a_search_reads_what_any_of_its_points_reads() -> None:
    grids = {"t2i_pal": {"gamma": [0.0, 0.5], "alpha": [1.0], "merge": [0.3, 0.5]}, "oracle": {"alpha": [2.0]}}
    changes = {name: {"grid": grid, "then": {"beta": [2.0]}} for name, grid in grids.items()}
    config, plan = planned({"search": changes})
    assert ("micro", "micro", "oracle") in queries.searches(config)
    points = queries.search_points(config, "t2i_pal")
    assert len(points) == 8
    assert points[1] == points[0] | {"beta": 2.0} == {"gamma": 0.0, "alpha": 1.0, "merge": 0.3, "beta": 2.0}
    read = {name: queries.search_run(config, plan, name, "micro") for name in ("t2i_pal", "oracle", "partial_bce")}
    assert {name: run.kinds for name, run in read.items()} == {
        "t2i_pal": {"captions", "synthetic"}, "oracle": {"train"}, "partial_bce": {"train"},
    }  # fmt: skip
    assert read["t2i_pal"].reads("images")
    assert not read["partial_bce"].protocol


def test_novel_classes_are_those_of_the_protocol() -> None:
    run = PLAN.runs["micro", "laso", "novel"]
    assert queries.novel_classes(PLAN, run) == PLAN.novel["micro"]
    assert queries.novel_classes(PLAN, PLAN.runs["micro", "t2i_pal", "base"]) == ()
    assert {run.method for run in queries.protocol_runs(PLAN, "novel", "micro")} == {"laso", "ml_fsl"}


def test_pictures_are_those_that_data_and_methods_allow() -> None:
    every = ["captions.html", "contact_sheet.png", "training_curves.png", "per_class.png", "heat_maps.png"]
    assert queries.pictures(CONFIG, PLAN, "micro") == [*every, "image_audit.html", "modality_gap.png"]
    config, plan = planned(PHOTOS)
    assert queries.pictures(config, plan, "mine") == [*every[:3], "image_audit.html"]
    config, plan = bare("zsclip")
    assert queries.pictures(config, plan, "micro") == ["captions.html", "per_class.png"]


def test_an_audit_is_of_every_model_that_generates_images_of_the_captions() -> None:
    assert queries.audited(CONFIG, PLAN, "micro") == ["micro", "steps-2", "steps-4"]
    assert {("small", "micro", "steps-2"), ("small", "micro", "micro")} <= queries.audited_images(CONFIG, PLAN)
    assert generated_fields(CONFIG, PLAN, "small", "micro", "steps-2") == {"global_pos"}  # no run reads it
    config, plan = planned({"ablations": {"supplement": None}})
    assert queries.audited(config, plan, "micro") == ["micro"]
    config, plan = bare("zsclip")
    assert queries.audited(config, plan, "micro") == []


@pytest.mark.parametrize("base", ["coco_mini", "coco2014"])
def test_guidance_is_swept_over_any_config(base: str) -> None:
    layers = [yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8")) for name in (base, "guidance")]
    config = load_config(merged(merged(default(), layers[0]), layers[1]))
    plan = make_plan(config)
    runs = queries.table_runs(plan, [plan.tables["guidance"]])
    assert [(run.method, run.samples) for run in runs] == [("tai_dpt", 0), *[("t2i_pal", 1)] * 3]
    models = [config.text_to_image[run.t2i] for run in runs[1:]]
    assert [model.guidance for model in models] == [2.0, 5.0, 7.5]
    assert len({(model.model, model.samples, model.steps, model.solver) for model in models}) == 1
    (dataset,) = config.datasets
    assert queries.audited(config, plan, dataset) == [config.use.text_to_image, *(run.t2i for run in runs[1:])]
    assert config.name == base  # next to the results of that config


def test_heat_maps_are_t2i_pals_where_it_runs() -> None:
    assert queries.heat_map_run(PLAN, "micro").method == "t2i_pal"
    _, plan = bare("zsclip", "tai_dpt")
    assert queries.heat_map_run(plan, "micro").method == "tai_dpt"


def test_fields_of_images_are_those_that_runs_and_pages_read() -> None:
    pos, nopos, local = ({name} for name in ("global_pos", "global_nopos", "local"))
    config, plan = bare("zsclip")
    assert labelled_fields(config, plan, "micro", "test", "micro") == pos
    assert labelled_fields(config, plan, "micro", "validation", "micro") == pos
    config, plan = bare("zsclip", "tai_dpt", "oracle")
    assert labelled_fields(config, plan, "micro", "test", "micro") == ALL_FIELDS
    assert labelled_fields(config, plan, "micro", "train", "micro") == nopos | local
    assert labelled_fields(config, plan, "small", "test", "micro") == ALL_FIELDS  # nobody says which
    config, plan = bare("t2i_pal")
    assert generated_fields(config, plan, "micro", "micro", "micro") == nopos | local


def test_the_modality_gap_and_heat_maps_read_fields_too() -> None:
    config, plan = bare("tai_dpt", "t2i_pal")
    config.settings.update({name: {"global_feature": "pos"} for name in ("tai_dpt", "t2i_pal")})
    plan = make_plan(config)
    assert generated_fields(config, plan, "micro", "micro", "micro") == ALL_FIELDS  # the gap's nopos
    assert labelled_fields(config, plan, "micro", "test", "micro") == ALL_FIELDS
