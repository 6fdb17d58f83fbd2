"""The plan: which runs a config asks for."""

import subprocess
import sys
from pathlib import Path

import yaml

from t2ipal.config import load_config
from t2ipal.plan import Plan, make_plan

ROOT = Path(__file__).resolve().parents[2]


def plan_of(**changes: object) -> Plan:
    data = yaml.safe_load((ROOT / "config.yaml").read_text())
    return make_plan(load_config({**data, **changes}))


def sweep_of(**keys: object) -> dict:
    return {"sweeps": {"one": {"method": "t2i_pal", "key": "gamma", "values": [0.2, 0.4], **keys}}}


def test_table_1_holds_every_method_on_every_data_set() -> None:
    plan = plan_of(sweeps={})
    assert [name for name, _ in plan.table1] == ["zsclip", "tai_dpt", "t2i_pal", "oracle"]
    assert set(plan.runs) == {("micro", name, "base") for name, _ in plan.table1}


def test_a_sweep_reuses_the_base_run() -> None:
    plan = plan_of(**sweep_of(values=[0.2, 0.4]))
    points = plan.sweeps["one"]["micro"]
    assert [(value, run.variant) for value, run in points] == [(0.2, "base"), (0.4, "gamma=0.4")]
    assert points[1][1].settings["gamma"] == 0.4
    assert {key: value for key, value in points[1][1].settings.items() if key != "gamma"} == {
        key: value for key, value in points[0][1].settings.items() if key != "gamma"
    }


def test_equal_runs_of_two_sweeps_are_one() -> None:
    one = sweep_of()["sweeps"]["one"]
    plan = plan_of(sweeps={"one": one, "two": one})
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
    assert (samples["t2i_pal", "base"], samples["t2i_pal", "gamma=0"], samples["oracle", "base"]) == (4, 0, 0)


def test_a_method_without_draws_runs_one_seed() -> None:
    plan = plan_of(seeds=[5, 6])
    assert plan.runs["micro", "zsclip", "base"].seeds == (5,)
    assert plan.runs["micro", "tai_dpt", "base"].seeds == (5, 6)


def test_shared_settings_reach_only_methods_that_have_them() -> None:
    plan = plan_of(training={"epochs": 3}, settings={"t2i_pal": {"epochs": 5}})
    assert plan.runs["micro", "tai_dpt", "base"].settings["epochs"] == 3
    assert plan.runs["micro", "t2i_pal", "base"].settings["epochs"] == 5
    assert "epochs" not in plan.runs["micro", "zsclip", "base"].settings


def test_the_order_of_keys_does_not_matter() -> None:
    data = yaml.safe_load((ROOT / "config.yaml").read_text())
    backwards = {key: data[key] for key in reversed(data)}
    assert make_plan(load_config(backwards)).runs == make_plan(load_config(data)).runs


def test_the_plan_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "pyarrow", "spacy", "PIL", "numpy", "matplotlib", "snakemake"}
    code = (
        "import sys, yaml; from t2ipal.config import load_config; from t2ipal.plan import make_plan;"
        "make_plan(load_config(yaml.safe_load(open('config.yaml'))));"
        f"sys.exit(str({heavy!r} & set(sys.modules)) if {heavy!r} & set(sys.modules) else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
