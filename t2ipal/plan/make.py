"""The plan of a config: a pure function, without torch and without files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from t2ipal.config import Config
from t2ipal.errors import UserError
from t2ipal.plan.prompts import check_prompts
from t2ipal.plan.runs import Planner, Run, check_classes, check_methods, evaluated_datasets, protocol_datasets
from t2ipal.plan.specs import RunKey, TableSpec
from t2ipal.plan.tables import make_tables
from t2ipal.protocols import NOVEL


@dataclass(frozen=True)
class Plan:
    """All runs by key, and which of them each table and figure needs.

    Attributes:
        runs: by (data set, method, variant).
        tables: by name.
        base: (method, {data set: run}) of the base runs, in the order of `methods`, for data sets without a test too.
        sweeps: by name of the sweep: {data set: ((value, run), ...)} in the order of the values; of tested data sets.
        novel: novel classes by data set, where the config has a protocol of them.
    """

    runs: Mapping[RunKey, Run]
    tables: Mapping[str, TableSpec]
    base: tuple[tuple[str, Mapping[str, Run]], ...]
    sweeps: Mapping[str, Mapping[str, tuple[tuple[Any, Run], ...]]]
    novel: Mapping[str, tuple[str, ...]]


def make_plan(config: Config) -> Plan:
    """The runs of a config.

    Raises:
        UserError: an unknown method or setting, a value out of range, or data a method needs and no data set has.
    """
    check_methods(config)
    check_classes(config)
    planner = Planner(config)
    base = tuple((name, {data: planner.run(data, name) for data in config.datasets}) for name in config.methods)
    for data, dataset in config.datasets.items():
        if dataset.calibrate and not any(runs[data].reads("images") for _, runs in base):
            raise UserError(
                f"config: datasets.{data}.calibrate: 'generated', but no method generates images "
                "(expected one that does among methods: t2i_pal)"
            )
    tables = make_tables(planner)
    sweeps = {
        name: {
            data: tuple(
                (value, planner.point(data, f"sweeps.{name}", sweep.method, sweep.key, value)) for value in sweep.values
            )
            for data in evaluated_datasets(config, sweep.datasets)
        }
        for name, sweep in config.sweeps.items()
    }
    novel = {data: planner.novel_names(data) for data in protocol_datasets(config, NOVEL)} if config.novel else {}
    check_prompts(config, planner.runs.values())
    return Plan(planner.runs, tables, base, sweeps, novel)
