"""A whole table: its numbers, and the sentences below it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from t2ipal.metrics.records import Record
from t2ipal.plan.specs import TableSpec
from t2ipal.tables import score_rules, words
from t2ipal.tables.grid import fill
from t2ipal.tables.model import Table
from t2ipal.tables.paper import Paper


def make_table(spec: TableSpec, records: Iterable[Record], paper: Paper) -> Table:
    """The table of a specification; arguments and errors as those of `grid.fill`."""
    table = fill(spec, records, paper)
    return replace(table, notes=(*words.notes(table), *score_rules.sentences(table), *spec.notes))
