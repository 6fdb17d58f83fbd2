"""Which run fills which cell: the paper's Tables 1 to 6, and tables of variations, as specifications.

`t2ipal.tables` makes a table of a specification, which is plain data, so that Snakemake compares it by value:
{name, title, columns: [{key, header}], average, stacked, trend, notes,
 blocks: [{title, paper, beyond, rows: [{key, title, remark, deterministic, against, cells: {column: cell}}]}]}, where a
cell is {run, level, paper}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from t2ipal.config.schema import Ablation, Dataset, UseInstead, Variation
from t2ipal.errors import UserError
from t2ipal.plan import (
    FEW_SHOT,
    NOVEL,
    PARTIAL,
    SHOTS,
    TRAIN,
    Run,
    is_deterministic,
    labelled_datasets,
    measured,
    method_of,
    settings_of,
    title_of,
)
from t2ipal.validation import unknown

if TYPE_CHECKING:
    from t2ipal.plan import Planner

NOT_IN_PAPER = "not in the paper"
BASELINE, OURS = "tai_dpt", "t2i_pal"
PAPER_NOVEL = "coco2014-novel16"
Spec = dict[str, Any]
Printed = tuple[str, str | None, str]
"""Where the paper prints a value: table, data set, and what follows the level in the setting's name."""


def make_tables(planner: Planner) -> dict[str, Spec]:
    """The specification of every table that the config asks for, by name; their runs join the planner's.

    None where no data set has labelled test images.
    """
    config = planner.config
    if not measured(config):
        return {}
    tables = {"table1": _table1(planner)}
    wanted = {"table2": (PARTIAL, _table2), "table3": (NOVEL, _table3), "table4": (FEW_SHOT, _table4)}
    for name, (protocol, make) in wanted.items():
        if getattr(config, protocol) and labelled_datasets(config, protocol):
            tables[name] = make(planner)
    for name, ablation in config.ablations.items():
        if name in tables:
            raise UserError(f"config: ablations.{name}: there is a table of this name (expected another name)")
        tables[name] = _ablation(planner, name, ablation)
    return tables


def _labelled(planner: Planner, protocol: str) -> dict[str, Dataset]:
    """The data sets of a protocol."""
    return {name: planner.config.datasets[name] for name in labelled_datasets(planner.config, protocol)}


def _table1(planner: Planner) -> Spec:
    config = planner.config
    rows = []
    for name in sorted(config.methods, key=lambda name: not method_of(name).in_paper):
        cells = {
            data: _cell(planner.run(data, name), paper=_paper("T1", data_.paper, title_of(name), "zero-shot"))
            for data, data_ in measured(config).items()
        }
        rows.append(_row(name, cells, against=[BASELINE] if BASELINE in config.methods and name != BASELINE else []))
    extra = {name: _varied(planner, "extra", name, row, "") for name, row in config.extra.items()}
    _check_against("extra", {**{row["key"]: row for row in rows}, **extra}, config.extra)
    return _spec(
        "table1",
        "Table 1. Zero-shot multi-label recognition",
        _datasets(planner),
        [_block(rows + list(extra.values()))],
    )


def _table2(planner: Planner) -> Spec:
    partial = planner.config.partial
    columns = [_column(level, f"{level}%") for level in partial.levels]
    blocks = []
    for data, dataset in _labelled(planner, PARTIAL).items():
        rows = _labelled_rows(planner, data, PARTIAL, ("T2", dataset.paper, "%"))
        blocks.append(_block(rows, dataset.title, dataset.paper))
    notes = ["Columns are shares of known labels. Fused rows add the scores of a method that has seen no label."]
    return _spec("table2", "Table 2. Partial labels", columns, blocks, stacked=True, average=True, notes=notes)


def _table3(planner: Planner) -> Spec:
    novel = planner.config.novel
    columns = [_column(level, f"{level}-shot") for level in (0, *novel.levels)]
    blocks, chosen = [], []
    for data, dataset in _labelled(planner, NOVEL).items():
        printed = ("T3", PAPER_NOVEL, "-shot")
        runs = {name: planner.run(data, name, use=novel.use, protocol=NOVEL, place=NOVEL) for name in novel.methods}
        rows = [_level_row(name, run, run.levels, printed) for name, run in runs.items()]
        for name in novel.zero_shot:
            _known(planner, "novel.zero_shot", name)
            row = _level_row(name, planner.novel(planner.run(data, name)), (0,), printed)
            rows.append(row | {"against": [BASELINE] if name == OURS and BASELINE in novel.zero_shot else []})
        names = planner.novel_names(data)
        title = f"{dataset.title}, {len(names)} novel classes"
        chosen.append(f"Novel classes of {dataset.title}: {', '.join(names)}.")
        # the paper's words: zero shots surpass the best system with five
        beyond = [[[OURS, "0"], [name, str(max(novel.levels))]] for name in novel.methods if OURS in novel.zero_shot]
        blocks.append(_block(rows, title, PAPER_NOVEL) | {"beyond": beyond})
    notes = [
        *chosen,
        "The paper has this table for 16 classes of COCO; its values stand beside ours for all data sets.",
        "AP of all test images for every row; LaSO's and ML-FSL's papers measure otherwise (see docs/deviations.md).",
    ]
    return _spec(
        "table3", "Table 3. Novel classes", columns, blocks, stacked=True, trend="more shots are better", notes=notes
    )


def _table4(planner: Planner) -> Spec:
    few_shot = planner.config.few_shot
    columns = [_column(level, f"{level}-shot") for level in (0, *few_shot.levels)]
    partners = few_shot.fuse.partners if few_shot.fuse else []
    blocks = []
    for data, dataset in _labelled(planner, FEW_SHOT).items():
        printed = ("T4", dataset.paper, "-shot")
        zero = [name for name in planner.config.methods if name in ("zsclip", *partners)]
        rows = {name: _level_row(name, planner.run(data, name), (0,), printed) for name in zero}
        labelled = _labelled_rows(planner, data, FEW_SHOT, printed)
        if OURS in rows and BASELINE in rows:
            rows[OURS]["against"] = [BASELINE]
        blocks.append(_block([*rows.values(), *labelled], dataset.title, dataset.paper))
    return _spec("table4", "Table 4. Few-shot", columns, blocks, stacked=True, trend="more shots are better")


def _labelled_rows(planner: Planner, data: str, protocol: str, printed: Printed) -> list[Spec]:
    """A row per label-trained method of a protocol, and one per fusion."""
    part, rows = getattr(planner.config, protocol), []
    runs = {
        name: planner.run(data, name, use=part.use, protocol=protocol, place=protocol)
        for name in (part.methods_of.get(data, part.methods) if protocol == PARTIAL else part.methods)
    }
    for name, run in runs.items():
        rows.append(_level_row(name, run, run.levels, printed))
    if part.fuse is None:
        return rows
    if part.fuse.base not in runs:
        raise unknown(f"{protocol}.fuse.base", part.fuse.base, runs, "method of this table")
    base, first = runs[part.fuse.base], None
    for partner in part.fuse.partners:
        _known(planner, f"{protocol}.fuse.partners", partner)
        run = planner.fused(base, planner.run(data, partner), part.fuse)
        row = _level_row(run.method, run, run.levels, printed)
        rows.append(row | {"against": [base.method, *([first] if first else [])]})
        first = first or run.method
    return rows


def _ablation(planner: Planner, name: str, ablation: Ablation) -> Spec:
    number = re.fullmatch(r"table(\d+)", name)
    code, place = f"T{number[1]}" if number else "", f"ablations.{name}.rows"
    rows = {key: _varied(planner, place, key, row, code, ablation.datasets) for key, row in ablation.rows.items()}
    _check_against(place, rows, ablation.rows)
    groups: dict[str, list[Spec]] = {}
    for key, row in ablation.rows.items():
        if rows[key]["cells"]:
            against = [other for other in row.against if rows[other]["cells"]]
            groups.setdefault(row.group, []).append(rows[key] | {"against": against})
    blocks = [_block(rows, title) for title, rows in groups.items()]
    return _spec(name, ablation.title, _datasets(planner, ablation.datasets), blocks, notes=ablation.notes)


def _varied(
    planner: Planner, place: str, key: str, row: Variation, code: str, datasets: Sequence[str] | None = None
) -> Spec:
    """A row of one method, changed, over the data sets (None: all)."""
    try:
        method = method_of(row.method)
    except UserError as error:
        raise UserError(f"config: {place}.{key}.method: {error}") from error
    if row.labels is not None and planner.config.partial is None:
        raise UserError(
            f"config: {place}.{key}.labels: there is no `partial` (expected it for a share of known labels)"
        )
    cells = {}
    for data, dataset in measured(planner.config, datasets).items():
        if dataset.train is None and _learns_from_labels(planner, row):
            continue
        protocol, levels, use = "", None, row.use
        if row.labels is not None:
            protocol, levels = PARTIAL, [row.labels]
            use = UseInstead(**{**planner.config.partial.use.model_dump(), **row.use.model_dump(exclude_none=True)})
        run = planner.run(data, row.method, row.set, use, protocol, levels, f"{place}.{key}")
        run = planner.standardised(run) if row.scores == "sparc" else run
        printed = _paper(code, dataset.paper, *row.paper) if row.paper else None
        cells[data] = _cell(run, row.labels or 0, printed)
    title = row.title or method.title + (" with SPARC's normalisation" if row.scores == "sparc" else "")
    in_paper = row.in_paper and row.scores == "own" and place != "extra"
    return _row(row.method, cells, key=key, title=title, against=row.against, in_paper=in_paper)


def _learns_from_labels(planner: Planner, row: Variation) -> bool:
    settings = settings_of(planner.config, row.method, row.set)
    return bool(method_of(row.method).kinds(settings) & {TRAIN, SHOTS})


def _check_against(place: str, rows: Mapping[str, Spec], asked: Mapping[str, Variation]) -> None:
    """Rows are compared with rows of their own group: the others stand under another heading."""
    for key, row in asked.items():
        group = [name for name in rows if name not in asked or asked[name].group == row.group]
        for other in row.against:
            if other not in group:
                raise unknown(f"{place}.{key}.against", other, group, "row of this group of the table")


def _known(planner: Planner, place: str, name: str) -> None:
    if name not in planner.config.methods:
        raise unknown(place, name, planner.config.methods, "method of Table 1")


def _level_row(name: str, run: Run, levels: Sequence[int], printed: Printed) -> Spec:
    table, dataset, unit = printed
    title = title_of(name)
    return _row(
        name, {str(level): _cell(run, level, _paper(table, dataset, title, f"{level}{unit}")) for level in levels}
    )


def _row(
    name: str,
    cells: Mapping[str, Spec],
    key: str = "",
    title: str = "",
    against: Sequence[str] = (),
    in_paper: bool | None = None,
) -> Spec:
    parts = name.split("+")
    if in_paper is None:
        in_paper = all(method_of(part).in_paper for part in parts)
    return {
        "key": key or name,
        "title": title or title_of(name),
        "remark": "" if in_paper else NOT_IN_PAPER,
        "deterministic": all(is_deterministic(part) for part in parts),
        "against": list(against),
        "cells": dict(cells),
    }


def _cell(run: Run, level: int = 0, paper: list[str] | None = None) -> Spec:
    return {"run": list(run.key), "level": level, "paper": paper}


def _paper(table: str, dataset: str | None, method: str, setting: str) -> list[str] | None:
    return [table, dataset, method, setting] if table and dataset else None


def _column(key: object, header: str) -> Spec:
    return {"key": str(key), "header": header}


def _datasets(planner: Planner, chosen: Sequence[str] | None = None) -> list[Spec]:
    return [
        {**_column(name, dataset.title), "paper": dataset.paper}
        for name, dataset in measured(planner.config, chosen).items()
    ]


def _block(rows: Sequence[Spec], title: str = "", paper: str | None = None) -> Spec:
    return {"title": title, "paper": paper, "rows": list(rows)}


def _spec(
    name: str,
    title: str,
    columns: Sequence[Spec],
    blocks: Sequence[Spec],
    stacked: bool = False,
    average: bool = False,
    trend: str = "more labels are better",
    notes: Sequence[str] = (),
) -> Spec:
    return {
        "name": name,
        "title": title,
        "columns": list(columns),
        "blocks": list(blocks),
        "stacked": stacked,
        "average": average,
        "trend": trend if stacked else "",
        "notes": list(notes),
    }
