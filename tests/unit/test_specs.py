"""Specifications: to plain data and back, without a change, whatever Snakemake does with it on the way."""

import json
from typing import Any

import pytest
from configs import default
from pydantic import ValidationError

from t2ipal.config import load_config
from t2ipal.plan import queries
from t2ipal.plan.make import make_plan
from t2ipal.plan.specs import CellSpec, ClaimsSpec, PointSpec, Spec, TableSpec

CONFIG = load_config(default())
PLAN = make_plan(CONFIG)


def specs() -> list[Spec]:
    found: list[Spec] = [*PLAN.tables.values(), queries.claims_spec(CONFIG, PLAN)]
    found += [queries.sweep_spec(CONFIG, PLAN, sweep, "micro") for sweep in PLAN.sweeps]
    found += [
        queries.levels_spec(CONFIG, PLAN, protocol, data) for protocol, data in queries.level_figures(CONFIG, PLAN)
    ]
    found += [queries.curves_spec(CONFIG, PLAN, "micro"), queries.gap_spec(CONFIG, PLAN, "micro")]
    return [*found, queries.per_class_spec(CONFIG, "micro", ["cat", "dog"])]


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: type(spec).__name__)
def test_plain_data_and_back_is_the_same(spec: Spec) -> None:
    plain = spec.plain()
    assert type(spec).read(plain) == spec
    assert json.loads(json.dumps(plain)) == plain  # nothing but mappings, lists, texts and numbers
    assert type(spec).read(plain).plain() == plain


@pytest.mark.parametrize("value", [1, 1.0, True, "one", 0, 0.0, False])
def test_a_value_keeps_its_type(value: Any) -> None:
    read = PointSpec.read(PointSpec(value=value, run=("a", "b", "c")).plain()).value
    assert (read, type(read)) == (value, type(value))


def test_a_specification_is_frozen_and_strict() -> None:
    cell = CellSpec(run=("micro", "t2i_pal", "base"))
    with pytest.raises(ValidationError, match="frozen"):
        cell.level = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="levle"):
        CellSpec.read({"run": ["micro", "t2i_pal", "base"], "levle": 3})


def test_equal_configs_give_equal_parameters() -> None:
    again = make_plan(load_config(default()))
    assert [table.plain() for table in again.tables.values()] == [table.plain() for table in PLAN.tables.values()]


def test_a_table_knows_its_rows_and_cells() -> None:
    table = PLAN.tables["table2"]
    assert isinstance(table, TableSpec)
    assert [row.key for row in table.rows] == [row.key for block in table.blocks for row in block.rows]
    assert len(table.cells) == 7 * 9
    assert isinstance(queries.claims_spec(CONFIG, PLAN), ClaimsSpec)
