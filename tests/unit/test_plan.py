"""The plan: which runs a config asks for."""

import subprocess
import sys
from pathlib import Path

import pytest
from configs import default

from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.metrics.combinations import Fusion, ScoreRule, Selection
from t2ipal.plan import queries
from t2ipal.plan.image_fields import labelled_fields
from t2ipal.plan.make import Plan, make_plan
from t2ipal.plan.specs import RowSpec

ROOT = Path(__file__).resolve().parents[2]
BARE = {"extra": {}, "ablations": {}, "sweeps": {}, "search": {}}
BARE |= dict.fromkeys(("score_rules", "partial", "novel", "few_shot"))


def plan_of(**changes: object) -> Plan:
    return make_plan(load_config({**default(), **BARE, **changes}))


def whole(**changes: object) -> Plan:
    return make_plan(load_config({**default(), **changes}))


def sweep_of(**keys: object) -> dict:
    return {"sweeps": {"one": {"method": "t2i_pal", "key": "gamma", "values": [0.2, 0.4], **keys}}}


def rows_of(plan: Plan, table: str) -> dict[str, RowSpec]:
    return {row.key: row for row in plan.tables[table].rows}


def test_table_1_holds_every_method_on_every_data_set() -> None:
    plan = plan_of()
    assert [name for name, _ in plan.base] == ["zsclip", "clip_dpt", "tai_dpt", "t2i_pal", "comc", "oracle"]
    assert set(plan.runs) == {("micro", name, "base") for name, _ in plan.base}
    assert list(plan.tables) == ["table1"]
    assert list(rows_of(plan, "table1"))[:3] == ["zsclip", "tai_dpt", "t2i_pal"]  # the paper's rows come first


def test_a_sweep_reuses_the_base_run() -> None:
    plan = plan_of(**sweep_of(values=[0.2, 0.4]))
    points = plan.sweeps["one"]["micro"]
    assert [(value, run.variant) for value, run in points] == [(0.2, "base"), (0.4, "gamma=0.4")]
    assert points[1][1].settings["gamma"] == 0.4
    assert {key: value for key, value in points[1][1].settings.items() if key != "gamma"} == {
        key: value for key, value in points[0][1].settings.items() if key != "gamma"
    }


def test_a_sweep_over_images_per_caption_changes_no_setting() -> None:
    plan = plan_of(**sweep_of(key="samples", values=[1, 6, 8]))
    points = plan.sweeps["one"]["micro"]
    assert [(value, run.variant, run.samples) for value, run in points] == [
        (1, "samples=1", 1),
        (6, "base", 6),
        (8, "samples=8", 8),
    ]
    assert points[0][1].settings == points[1][1].settings


def test_equal_runs_are_one_whatever_asks_for_them() -> None:
    one = sweep_of()["sweeps"]["one"]
    row = {"method": "t2i_pal", "set": {"gamma": 0.4}}
    plan = plan_of(sweeps={"one": one, "two": one}, ablations={"more": {"title": "More", "rows": {"a": row, "b": row}}})
    assert len([key for key in plan.runs if key[2] != "base"]) == 1


def test_a_run_has_only_the_data_its_loss_uses() -> None:
    plan = plan_of(**sweep_of(values=[0, 1]))
    kinds = {key[1:]: run.kinds for key, run in plan.runs.items()}
    assert kinds["zsclip", "base"] == set()
    assert kinds["tai_dpt", "base"] == {"captions"}
    assert kinds["t2i_pal", "base"] == {"captions", "synthetic"}
    assert kinds["t2i_pal", "gamma=0"] == {"captions"}
    assert kinds["t2i_pal", "gamma=1"] == {"synthetic"}
    assert kinds["oracle", "base"] == {"train"}
    samples = {key[1:]: run.samples for key, run in plan.runs.items()}
    assert (samples["t2i_pal", "base"], samples["t2i_pal", "gamma=0"], samples["oracle", "base"]) == (6, 0, 0)


def test_what_a_run_does_not_use_makes_no_other_run() -> None:
    row = {"method": "zsclip", "use": {"text_to_image": "steps-2", "samples": 1, "pool": "drop-20"}}
    plan = plan_of(ablations={"more": {"title": "More", "rows": {"a": row}}})
    assert rows_of(plan, "more")["a"].cells["micro"].run == ("micro", "zsclip", "base")


def test_a_row_names_all_that_differs() -> None:
    row = {"method": "t2i_pal", "set": {"beta": 2.0, "alpha": 0.5}, "use": {"clip": "small", "pool": "drop-20"}}
    plan = plan_of(ablations={"more": {"title": "More", "rows": {"a": row}}})
    run = plan.runs["micro", "t2i_pal", "alpha=0.5,beta=2,clip=small,pool=drop-20"]
    assert (run.clip, run.pool, run.settings["beta"]) == ("small", "drop-20", 2.0)


def test_a_method_without_draws_runs_one_seed() -> None:
    plan = plan_of(seeds=[5, 6])
    assert plan.runs["micro", "zsclip", "base"].seeds == (5,)
    assert plan.runs["micro", "tai_dpt", "base"].seeds == (5, 6)
    rows = rows_of(plan, "table1")
    assert (rows["zsclip"].deterministic, rows["tai_dpt"].deterministic) == (True, False)


VARIED = {
    "seeds": [5, 6, 7],
    "few_shot": {"levels": [1], "methods": ["coop"]},
    "extra": {"rate": {"method": "t2i_pal", "set": {"lr": 0.5}}},
    "sweeps": {"one": {"method": "t2i_pal", "key": "lr", "values": [0.01, 0.1, 0.5]}},
    "ablations": {"more": {"title": "More", "notes": ["Ours."], "rows": {
        "base": {"method": "t2i_pal"},
        "text": {"method": "t2i_pal", "set": {"gamma": 0.0}, "against": ["base"]},
        "text_sparc": {"method": "t2i_pal", "set": {"gamma": 0.0}, "scores": "sparc"},
        "zero": {"method": "zsclip", "use": {"clip": "small"}},
    }}},
}  # fmt: skip


def test_sweeps_and_ablations_have_the_first_seeds_and_tables_1_to_4_all() -> None:
    plan = plan_of(**VARIED, variation_seeds=2)
    seeds = {run.path.removeprefix("micro/"): run.seeds for run in plan.runs.values()}
    assert seeds["tai_dpt/base"] == seeds["coop/few_shot"] == (5, 6, 7)
    assert seeds["t2i_pal/base"] == seeds["t2i_pal/lr=0.5"] == (5, 6, 7)  # in Table 1 too
    assert seeds["t2i_pal/lr=0.1"] == seeds["t2i_pal/gamma=0"] == seeds["t2i_pal+sparc/gamma=0"] == (5, 6)
    assert seeds["zsclip/clip=small"] == (5,)
    assert [run.variant for _, run in plan.sweeps["one"]["micro"]] == ["base", "lr=0.1", "lr=0.5"]


def test_a_table_or_figure_of_variations_says_which_seeds_it_shows() -> None:
    config = load_config({**default(), **BARE, **VARIED, "variation_seeds": 2})
    plan = make_plan(config)
    assert [plan.tables[name].seeds.shown for name in ("table1", "table4", "more")] == [(), (), (5, 6)]
    assert plan.tables["more"].notes == (
        "Training seeds 5, 6: the first 2 of 3 seeds, for all rows; Tables 1 to 4 have all.",
        "Ours.",
    )
    assert queries.sweep_spec(config, plan, "one", "micro").seeds.text == "first 2 of 3 seeds"
    assert "first 2 of 3 seeds" in queries.claims_spec(config, plan).notes[0]


@pytest.mark.parametrize("number", [None, 3, 9])
def test_variations_may_have_all_seeds(number: int | None) -> None:
    config = load_config({**default(), **BARE, **VARIED, "variation_seeds": number})
    plan = make_plan(config)
    assert {run.seeds for run in plan.runs.values()} == {(5, 6, 7), (5,)}
    assert (plan.tables["more"].seeds.text, plan.tables["more"].notes) == ("", ("Ours.",))
    assert queries.claims_spec(config, plan).notes == ()


def test_another_number_of_seeds_changes_what_variations_alone_have() -> None:
    few, all_seeds = (plan_of(**VARIED, variation_seeds=number) for number in (2, None))
    changed = {key[1:] for key, run in few.runs.items() if run.made() != all_seeds.runs[key].made()}
    assert changed == {("t2i_pal", "lr=0.1"), ("t2i_pal", "gamma=0"), ("t2i_pal+sparc", "gamma=0")}
    assert few.tables["table1"].plain() == all_seeds.tables["table1"].plain()


RULES = {
    "zs": {"method": "zsclip", "scores": "softmax"},
    "zs_10": {"method": "zsclip", "scores": "softmax", "score_scale": 10.0},
    "tai": {"method": "tai_dpt", "scores": "softmax", "title": "TaI"},
    "cells": {"method": "zsclip", "scores": "cells"},
    "mean": {"method": "tai_dpt", "scores": "mean"},
}


def test_a_score_rule_is_a_run_of_its_own_with_a_scale_by_rule_and_a_title_that_names_it() -> None:
    plan = plan_of(extra=RULES)
    rows = rows_of(plan, "table1")
    runs = {key: plan.runs[rows[key].cells["micro"].run] for key in RULES}
    assert {key: run.combine for key, run in runs.items()} == {
        "zs": ScoreRule("softmax", 1.0),  # CLIP's logits have its own scale
        "zs_10": ScoreRule("softmax", 10.0),
        "tai": ScoreRule("softmax"),
        "cells": ScoreRule("cells"),
        "mean": ScoreRule("mean"),
    }
    assert [rows[key].title for key in ("zs", "tai")] == ["ZSCLIP (softmax over classes)", "TaI (softmax over classes)"]
    assert [runs[key].method for key in ("cells", "mean")] == ["zsclip+cells", "tai_dpt+mean"]
    assert {key: set(run.fields) for key, run in runs.items() if run.fields} == {"cells": {"global_pos", "local"}}
    assert not any(run.trains for run in runs.values())


def test_a_row_may_add_the_scores_of_another_method() -> None:
    row = {"method": "t2i_pal", "fuse": {"partner": "global_gda", "weight": 0.4, "norm": "zscore"}}
    plan = plan_of(extra={"both": row})
    both = rows_of(plan, "table1")["both"]
    run = plan.runs[both.cells["micro"].run]
    assert (run.method, run.combine, both.title) == (
        "t2i_pal+global_gda", Fusion(0.4, "zscore"), "T2I-PAL+Global GDA",
    )  # fmt: skip
    assert run.sources == (("micro", "t2i_pal", "base"), ("micro", "global_gda", "base"))
    assert (run.seeds, both.remark) == ((1, 2, 3, 4, 5), "not in the paper")
    for changes, line in (
        ({"scores": "mean"}, r"config: extra.both.scores: mean of a row with `fuse` \(expected own\)"),
        ({"fuse": row["fuse"] | {"partner": "gda"}}, r"config: extra.both.fuse.partner: method 'gda': unknown"),
    ):
        with pytest.raises(UserError, match=line):
            plan_of(extra={"both": row | changes})


def test_local_maps_of_test_images_are_stored_for_cells() -> None:
    changes = {**BARE, "methods": ["zsclip"], "sweeps": {}, "extra": {"cells": RULES["cells"]}}
    config = load_config({**default(), **changes})
    assert labelled_fields(config, make_plan(config), "micro", "validation", "micro") == {"global_pos", "local"}


def test_the_default_run_trains_183_seeds_of_runs() -> None:
    """All 55 runs that train would be 259 with all seeds; 42 of them are variations alone."""
    trained = [run for run in whole().runs.values() if run.kinds]
    assert (len(trained), sum(len(run.seeds) for run in trained)) == (55, 183)
    assert sum(len(run.seeds) for run in whole(variation_seeds=None).runs.values() if run.kinds) == 259


def test_shared_settings_reach_only_methods_that_have_them() -> None:
    plan = plan_of(training={"epochs": 3}, settings={"t2i_pal": {"epochs": 5}})
    assert plan.runs["micro", "tai_dpt", "base"].settings["epochs"] == 3
    assert plan.runs["micro", "t2i_pal", "base"].settings["epochs"] == 5
    assert "epochs" not in plan.runs["micro", "zsclip", "base"].settings


def test_methods_that_learn_from_labels_have_a_schedule_of_their_own() -> None:
    plan = plan_of(training={"epochs": 3}, partial={"levels": [10, 90], "methods": ["ssgrl"]})
    run = plan.runs["micro", "ssgrl", "partial"]
    assert run.settings["epochs"] != 3
    assert (run.protocol, run.levels, run.kinds) == ("partial", (10, 90), {"train"})


def test_the_default_has_the_papers_tables_and_figures() -> None:
    plan = whole()
    paper = [f"table{number}" for number in range(1, 7)]
    assert list(plan.tables) == ["table1", "score_rules", *paper[1:], "supplement", "calibration"]
    assert list(plan.sweeps) == ["fig3a", "fig3b", "fig3c", "fig4"]
    assert all(len(points) >= 6 for by_data in plan.sweeps.values() for points in by_data.values())
    assert [column.key for column in plan.tables["table2"].columns] == [str(10 * k) for k in range(1, 10)]
    assert list(rows_of(plan, "table2")) == [
        *("ssgrl", "gcn_ml", "partial_bce", "sarb", "dualcoop", "dualcoop+tai_dpt", "dualcoop+t2i_pal"),
    ]
    assert list(rows_of(plan, "table3")) == ["laso", "ml_fsl", "tai_dpt", "t2i_pal"]
    assert list(rows_of(plan, "table4")) == [
        *("zsclip", "tai_dpt", "t2i_pal", "coop", "coop+tai_dpt", "coop+t2i_pal"),
    ]


def test_every_value_that_the_paper_prints_for_a_cell_is_found() -> None:
    """Titles and settings of the default's rows are those of resources/paper_results.csv."""
    from t2ipal.tables.paper import paper_key, read_paper

    printed = read_paper(ROOT / "resources/paper_results.csv")
    rows = [row for table in whole().tables.values() for row in table.rows if not row.remark]
    asked = [paper_key(cell.paper) for row in rows for cell in row.cells.values() if cell.paper]
    assert len(asked) > 90
    assert [key for key in asked if key not in printed] == []


def test_tables_show_further_metrics_in_columns_or_blocks() -> None:
    plan = whole(table_metrics=["CF1", "OF1_top3"])
    table1 = plan.tables["table1"]
    assert [(column.key, column.header) for column in table1.columns] == [
        ("micro", "micro world, mAP"),
        ("micro:CF1", "micro world, CF1"),
        ("micro:OF1_top3", "micro world, OF1 of the top 3"),
    ]
    cells = rows_of(plan, "table1")["t2i_pal"].cells
    assert {key: cell.metric for key, cell in cells.items()} == {
        "micro": "mAP", "micro:CF1": "CF1", "micro:OF1_top3": "OF1_top3"
    }  # fmt: skip
    assert len({cell.run for cell in cells.values()}) == 1
    table2 = plan.tables["table2"]
    assert [block.title for block in table2.blocks] == [
        f"micro world, {metric}" for metric in ("mAP", "CF1", "OF1 of the top 3")
    ]
    assert [block.metric for block in table2.blocks] == ["mAP", "CF1", "OF1_top3"]
    assert {column.key for column in table2.columns} == {column.key for column in whole().tables["table2"].columns}
    assert plan.runs == whole().runs  # what is measured is measured anyway


def test_a_metric_with_a_threshold_is_left_out_without_validation_images() -> None:
    micro = {**default()["datasets"]["micro"], "title": "other", "validation": None}
    plan = whole(table_metrics=["CF1"], datasets={**default()["datasets"], "other": micro})
    assert [column.key for column in plan.tables["table1"].columns] == ["micro", "micro:CF1", "other"]
    assert [block.title for block in plan.tables["table2"].blocks] == [
        "micro world, mAP",
        "micro world, CF1",
        "other, mAP",
    ]
    alone = whole(table_metrics=["CF1"], datasets={"micro": micro}, search={})
    assert alone.tables == whole(datasets={"micro": micro}, search={}).tables


def test_another_metric_is_that_of_tables_figures_and_claims() -> None:
    config = load_config({**default(), "metric": "OF1"})
    plan = make_plan(config)
    shown = [table for name, table in plan.tables.items() if name != "calibration"]
    assert {cell.metric for table in shown for cell in table.cells} == {"OF1"}
    assert [column.header for column in plan.tables["table1"].columns] == ["micro world, OF1"]
    assert queries.sweep_spec(config, plan, "fig3a", "micro").metric == "OF1"
    assert queries.gap_spec(config, plan, "micro").metric == "OF1"
    claims = queries.claims_spec(config, plan)
    assert (claims.metric, claims.metrics) == ("OF1", ("OF1",))
    mixed = load_config({**default(), "metric": "OF1", "table_metrics": ["mAP"]})
    plan = make_plan(mixed)
    assert queries.levels_spec(mixed, plan, "partial", "micro").metrics == ("OF1",)
    assert queries.claims_spec(mixed, plan).metrics == ("OF1", "mAP")


def test_a_table_of_ones_own_has_metrics_of_its_own() -> None:
    rows = {"a": {"method": "t2i_pal"}}
    mine = {"title": "Mine", "rows": rows, "metrics": ["CF1_top3", "mAP"]}
    plan = plan_of(ablations={"mine": mine})
    assert [column.key for column in plan.tables["mine"].columns] == ["micro", "micro:mAP"]
    assert plan.tables["mine"].metrics == ("CF1_top3", "mAP")
    assert plan.tables["table1"].metrics == ("mAP",)


def test_combined_runs_read_the_scores_of_others() -> None:
    plan = whole()
    fused = plan.runs["micro", "dualcoop+t2i_pal", "partial"]
    assert fused.sources == (("micro", "dualcoop", "partial"), ("micro", "t2i_pal", "base"))
    assert (fused.levels, fused.kinds) == (tuple(range(10, 100, 10)), frozenset())
    assert plan.runs["micro", "tai_dpt+novel", "base"].combine == Selection(plan.novel["micro"])
    assert plan.runs["micro", "zsclip+sparc", "base"].sources == (("micro", "zsclip", "base"),)


def test_a_share_of_labels_beside_those_of_table_2_is_a_run_of_its_own() -> None:
    plan = whole()
    assert plan.runs["micro", "dualcoop", "partial,labels=100"].levels == (100,)
    rows = {"a": {"method": "dualcoop", "labels": 50}}
    plan = plan_of(
        partial={"levels": [50], "methods": ["dualcoop"]}, ablations={"more": {"title": "More", "rows": rows}}
    )
    assert [key for key in plan.runs if key[1] == "dualcoop"] == [("micro", "dualcoop", "partial")]


def test_novel_classes_are_drawn_or_named() -> None:
    novel = {"levels": [1], "methods": ["laso"], "classes": 3}
    assert len(plan_of(novel=novel).novel["micro"]) == 3
    named = plan_of(novel={**novel, "classes": ["dog", "cat"]})
    assert named.novel["micro"] == ("cat", "dog")  # in the order of the class list
    with pytest.raises(UserError, match=r"novel\.classes: 20 of the 20 classes"):
        plan_of(novel={**novel, "classes": 20})


def test_the_order_of_keys_does_not_matter() -> None:
    data = default()
    backwards = {key: data[key] for key in reversed(data)}
    assert make_plan(load_config(backwards)).runs == make_plan(load_config(data)).runs


@pytest.mark.slow
def test_the_plan_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "pyarrow", "spacy", "PIL", "numpy", "matplotlib", "snakemake"}
    code = (
        "import sys, yaml; from t2ipal.config import load_config; from t2ipal.plan.make import make_plan;"
        "make_plan(load_config(yaml.safe_load(open('config.yaml'))));"
        f"sys.exit(str({heavy!r} & set(sys.modules)) if {heavy!r} & set(sys.modules) else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
