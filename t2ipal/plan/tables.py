"""Which run fills which cell: the paper's Tables 1 to 6, and tables of variations.

A table is one function of the planner, registered in `PAPER_TABLES`; those of the config's `ablations` need none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from t2ipal.config import Config
from t2ipal.config.schema import Ablation, Dataset, UseInstead, Variation
from t2ipal.errors import UserError
from t2ipal.metrics.combinations import RULE_TITLES
from t2ipal.metrics.registry import DEFAULT, METRICS
from t2ipal.plan.runs import (
    Planner,
    Run,
    evaluated_datasets,
    is_deterministic,
    method_of,
    protocol_datasets,
    settings_of,
    title_of,
    variation_seeds,
)
from t2ipal.plan.specs import (
    BeyondSpec,
    BlockSpec,
    CellSpec,
    ColumnSpec,
    EndSpec,
    PaperName,
    RowSpec,
    SeedsSpec,
    TableSpec,
)
from t2ipal.protocols import FEW_SHOT, NOVEL, PARTIAL
from t2ipal.rows import SHOTS, TRAIN
from t2ipal.validation import unknown

NOT_IN_PAPER = "not in the paper"
BASELINE, OURS = "tai_dpt", "t2i_pal"
GAINS = {OURS: (BASELINE, "zsclip"), BASELINE: ("zsclip",)}
"""Whose gain over which others the table of score rules shows."""
OWN = "own"
PAPER_NOVEL = "coco2014-novel16"
MORE_LABELS, MORE_SHOTS = "more labels are better", "more shots are better"
MASKS_OF = {"sarb": "SARB's", "tai_dpt": "TaI-DPT's"}
Printed = tuple[str, str | None, str]
"""Where the paper prints the values of a row: table, data set, and what follows the level in the setting's name."""


def make_tables(planner: Planner) -> dict[str, TableSpec]:
    """The specification of every table that the config asks for, by name; their runs join the planner's.

    None where no data set has labelled test images.
    """
    config = planner.config
    if not evaluated_datasets(config):
        return {}
    tables = {name: table for name, make in PAPER_TABLES.items() if (table := make(planner)) is not None}
    for name, ablation in config.ablations.items():
        if name in tables:
            raise UserError(f"config: ablations.{name}: there is a table of this name (expected another name)")
        if (table := _ablation(planner, name, ablation)) is not None:
            tables[name] = table
    metrics = {name: ablation.metrics for name, ablation in config.ablations.items()}
    shown = [config.metric, *config.table_metrics]
    return {name: in_metrics(table, metrics.get(name) or shown, config) for name, table in tables.items()}


def in_metrics(table: TableSpec, metrics: Sequence[str], config: Config) -> TableSpec:
    """The table by these metrics: a column of each per data set, or a block of each where columns are levels.

    A metric that needs a threshold or probabilities is left out for data sets without validation images.
    """
    measured = {
        name: [metric for metric in metrics if dataset.validation or not METRICS[metric].needs_validation]
        for name, dataset in evaluated_datasets(config).items()
    }
    if all(names == [DEFAULT] for names in measured.values()):
        return table
    return _blocks_by_metric(table, measured) if table.stacked else _columns_by_metric(table, measured)


def _blocks_by_metric(table: TableSpec, measured: Mapping[str, Sequence[str]]) -> TableSpec:
    blocks = []
    for block in table.blocks:
        for metric in measured[block.dataset]:
            rows = []
            for row in block.rows:
                rows.append(_with_cells(row, {key: _in_metric(cell, metric) for key, cell in row.cells.items()}))
            blocks.append(block.model_copy(update={"title": _titled(block.title, metric), "rows": tuple(rows)}))
    return table.model_copy(update={"blocks": tuple(blocks)})


def _columns_by_metric(table: TableSpec, measured: Mapping[str, Sequence[str]]) -> TableSpec:
    """The column of the first metric keeps the key of its data set."""

    def key(dataset: str, metric: str) -> str:
        return dataset if metric == measured[dataset][0] else f"{dataset}:{metric}"

    columns = [
        column.model_copy(update={"key": key(column.key, metric), "header": _titled(column.header, metric)})
        for column in table.columns
        for metric in measured[column.key]
    ]
    blocks = []
    for block in table.blocks:
        rows = []
        for row in block.rows:
            cells = {
                key(dataset, metric): _in_metric(cell, metric)
                for dataset, cell in row.cells.items()
                for metric in measured[dataset]
            }
            rows.append(_with_cells(row, cells))
        blocks.append(block.model_copy(update={"rows": tuple(rows)}))
    return table.model_copy(update={"columns": tuple(columns), "blocks": tuple(blocks)})


def _with_cells(row: RowSpec, cells: Mapping[str, CellSpec]) -> RowSpec:
    return row.model_copy(update={"cells": cells})


def _in_metric(cell: CellSpec, metric: str) -> CellSpec:
    return cell.model_copy(update={"metric": metric})


def _titled(title: str, metric: str) -> str:
    return ", ".join(filter(None, (title, METRICS[metric].title)))


def _table1(planner: Planner) -> TableSpec:
    config = planner.config
    rows = {}
    for name in sorted(config.methods, key=lambda name: not method_of(name).in_paper):
        cells = {
            data: _cell(planner.run(data, name), paper=_paper("T1", dataset.paper, title_of(name), "zero-shot"))
            for data, dataset in evaluated_datasets(config).items()
        }
        rows[name] = _row(name, cells, against=[BASELINE] if BASELINE in config.methods and name != BASELINE else [])
    extra = {name: _varied(planner, "extra", name, row, "") for name, row in config.extra.items()}
    for name in extra.keys() & rows.keys():
        raise UserError(f"config: extra.{name}: {name!r} is one of methods (expected another name)")
    _check_against("extra", {**rows, **extra}, config.extra)
    return TableSpec(
        name="table1",
        title="Table 1. Zero-shot multi-label recognition",
        columns=_dataset_columns(planner),
        blocks=(BlockSpec(rows=(*rows.values(), *extra.values())),),
        notes=("Scores are the methods' own, raw cosines for most, where a title names no score rule.",),
    )


def _table2(planner: Planner) -> TableSpec | None:
    partial = planner.config.partial
    blocks = []
    for data, dataset in _datasets_of(planner, PARTIAL).items():
        rows = _labelled_rows(planner, data, PARTIAL, ("T2", dataset.paper, "%"))
        blocks.append(BlockSpec(title=dataset.title, paper=dataset.paper, rows=rows))
    if not blocks:
        return None
    return TableSpec(
        name="table2",
        title="Table 2. Partial labels",
        columns=_level_columns(partial.levels, "%"),
        blocks=blocks,
        stacked=True,
        average=True,
        trend=MORE_LABELS,
        notes=(
            "Columns are shares of known labels. Fused rows add the scores of a method that has seen no label.",
            f"Which labels are known: {MASKS_OF[partial.masks]} masks (`partial.masks`).",
        ),
    )


def _table3(planner: Planner) -> TableSpec | None:
    novel = planner.config.novel
    blocks, chosen = [], []
    for data, dataset in _datasets_of(planner, NOVEL).items():
        printed = ("T3", PAPER_NOVEL, "-shot")
        runs = {name: planner.run(data, name, use=novel.use, protocol=NOVEL, asked_by=NOVEL) for name in novel.methods}
        rows = [_level_row(name, run, run.levels, printed) for name, run in runs.items()]
        for name in novel.zero_shot:
            _known(planner, "novel.zero_shot", name)
            against = [BASELINE] if name == OURS and BASELINE in novel.zero_shot else []
            rows.append(_level_row(name, planner.novel(planner.run(data, name)), (0,), printed, against))
        names = planner.novel_names(data)
        chosen.append(f"Novel classes of {dataset.title}: {', '.join(names)}.")
        # the paper's words: zero shots surpass the best system with five
        ours, most = EndSpec(row=OURS, column="0"), str(max(novel.levels))
        beyond = [
            BeyondSpec(left=ours, right=EndSpec(row=name, column=most))
            for name in novel.methods
            if OURS in novel.zero_shot
        ]
        title = f"{dataset.title}, {len(names)} novel classes"
        blocks.append(BlockSpec(title=title, paper=PAPER_NOVEL, rows=rows, beyond=beyond))
    if not blocks:
        return None
    return TableSpec(
        name="table3",
        title="Table 3. Novel classes",
        columns=_level_columns((0, *novel.levels), "-shot"),
        blocks=blocks,
        stacked=True,
        trend=MORE_SHOTS,
        notes=(
            *chosen,
            "The paper has this table for 16 classes of COCO; its values are shown next to ours for all data sets.",
            "AP of all test images for every row; LaSO's and ML-FSL's papers measure otherwise "
            "(see docs/deviations.md).",
        ),
    )


def _table4(planner: Planner) -> TableSpec | None:
    few_shot = planner.config.few_shot
    blocks = []
    for data, dataset in _datasets_of(planner, FEW_SHOT).items():
        printed = ("T4", dataset.paper, "-shot")
        partners = few_shot.fuse.partners if few_shot.fuse else []
        zero_shot = [name for name in planner.config.methods if name in ("zsclip", *partners)]
        rows = []
        for name in zero_shot:
            against = [BASELINE] if name == OURS and BASELINE in zero_shot else []
            rows.append(_level_row(name, planner.run(data, name), (0,), printed, against))
        rows += _labelled_rows(planner, data, FEW_SHOT, printed)
        blocks.append(BlockSpec(title=dataset.title, paper=dataset.paper, rows=rows))
    if not blocks:
        return None
    return TableSpec(
        name="table4",
        title="Table 4. Few-shot",
        columns=_level_columns((0, *few_shot.levels), "-shot"),
        blocks=blocks,
        stacked=True,
        trend=MORE_SHOTS,
    )


def _score_rules(planner: Planner) -> TableSpec | None:
    asked = planner.config.score_rules
    if asked is None:
        return None
    methods, blocks = planner.config.methods, []
    for data, dataset in evaluated_datasets(planner.config, asked.datasets).items():
        rows = []
        for name in methods:
            run = planner.run(data, name)
            allowed = [rule for rule in asked.rules if rule != "cells" or method_of(name).has_cells]
            cells = {OWN: _cell(run)} | {rule: _cell(planner.by_rule(run, rule)) for rule in allowed}
            rows.append(_row(name, cells, against=[other for other in GAINS.get(name, ()) if other in methods]))
        blocks.append(BlockSpec(title=dataset.title, rows=rows))
    explained = "; ".join(f"{rule}: {RULE_TITLES[rule]}" for rule in asked.rules)
    return TableSpec(
        name="score_rules",
        title="Score rules",
        columns=[ColumnSpec(key=rule, header=rule) for rule in (OWN, *asked.rules)],
        blocks=blocks,
        stacked=True,
        rules=True,
        notes=(f"Columns are score rules (docs/score_rules.md). {OWN}: the method's own scores; {explained}.",),
    )


PAPER_TABLES: Mapping[str, Callable[[Planner], TableSpec | None]] = {
    "table1": _table1,
    "score_rules": _score_rules,
    "table2": _table2,
    "table3": _table3,
    "table4": _table4,
}
"""By name, score rules among the paper's: the function that makes it, None where the config does not ask for it."""


def _datasets_of(planner: Planner, protocol: str) -> dict[str, Dataset]:
    """The data sets of a protocol; none where the config has no such protocol."""
    if getattr(planner.config, protocol) is None:
        return {}
    return {name: planner.config.datasets[name] for name in protocol_datasets(planner.config, protocol)}


def _labelled_rows(planner: Planner, data: str, protocol: str, printed: Printed) -> list[RowSpec]:
    """A row per label-trained method of a protocol, and one per fusion."""
    part, rows = getattr(planner.config, protocol), []
    names = part.methods_of.get(data, part.methods) if protocol == PARTIAL else part.methods
    runs = {name: planner.run(data, name, use=part.use, protocol=protocol, asked_by=protocol) for name in names}
    for name, run in runs.items():
        rows.append(_level_row(name, run, run.levels, printed))
    if part.fuse is None:
        return rows
    if part.fuse.base not in runs:
        raise unknown(f"{protocol}.fuse.base", part.fuse.base, runs, "method of this table")
    base, fusions = runs[part.fuse.base], []
    for partner in part.fuse.partners:
        _known(planner, f"{protocol}.fuse.partners", partner)
        run = planner.fused(base, planner.run(data, partner), part.fuse)
        rows.append(_level_row(run.method, run, run.levels, printed, [base.method, *fusions[:1]]))
        fusions.append(run.method)
    return rows


def _ablation(planner: Planner, name: str, ablation: Ablation) -> TableSpec | None:
    """None where no data set has what any of its rows needs."""
    number = re.fullmatch(r"table(\d+)", name)
    code, asked_by = f"T{number[1]}" if number else "", f"ablations.{name}.rows"
    rows = {key: _varied(planner, asked_by, key, row, code, ablation.datasets) for key, row in ablation.rows.items()}
    _check_against(asked_by, rows, ablation.rows)
    filled = {key: row for key, row in rows.items() if row.cells}
    if not filled:
        return None
    groups: dict[str, list[RowSpec]] = {}
    for key, row in filled.items():
        against = tuple(other for other in row.against if other in filled)
        groups.setdefault(ablation.rows[key].group, []).append(row.model_copy(update={"against": against}))
    seeds = seeds_spec(planner.config)
    return TableSpec(
        name=name,
        title=ablation.title,
        columns=_dataset_columns(planner, ablation.datasets),
        blocks=[BlockSpec(title=title, rows=group) for title, group in groups.items()],
        notes=(*seeds_notes(seeds), *ablation.notes),
        seeds=seeds,
    )


def seeds_spec(config: Config) -> SeedsSpec:
    """The training seeds that tables and figures of variations show."""
    seeds = variation_seeds(config)
    return SeedsSpec(shown=seeds, of=len(config.seeds)) if len(seeds) < len(config.seeds) else SeedsSpec()


def seeds_notes(seeds: SeedsSpec) -> list[str]:
    """The sentence below a table of some of the seeds."""
    names = ", ".join(map(str, seeds.shown))
    return [f"Training seeds {names}: the {seeds.text}, for all rows; Tables 1 to 4 have all."] if names else []


def _varied(
    planner: Planner, asked_by: str, key: str, row: Variation, code: str, datasets: Sequence[str] | None = None
) -> RowSpec:
    """A row of one method, changed, over the data sets (None: all)."""
    parts = {"method": row.method} | ({} if row.fuse is None else {"fuse.partner": row.fuse.partner})
    for part, name in parts.items():
        try:
            method_of(name)
        except UserError as error:
            raise UserError(f"config: {asked_by}.{key}.{part}: {error}") from error
    if row.fuse is not None and row.scores != "own":
        raise UserError(f"config: {asked_by}.{key}.scores: {row.scores} of a row with `fuse` (expected own)")
    if row.labels is not None and planner.config.partial is None:
        raise UserError(
            f"config: {asked_by}.{key}.labels: there is no `partial` (expected it for a share of known labels)"
        )
    cells = {}
    for data, dataset in evaluated_datasets(planner.config, datasets).items():
        if dataset.train is None and _learns_from_labels(planner, row):
            continue
        if dataset.validation is None and row.scores == "calibrated":
            continue
        protocol, levels, use = "", None, row.use
        if row.labels is not None:
            protocol, levels = PARTIAL, [row.labels]
            use = UseInstead(**{**planner.config.partial.use.model_dump(), **row.use.model_dump(exclude_none=True)})
        variation = asked_by != "extra"
        run = planner.run(data, row.method, row.set, use, protocol, levels, f"{asked_by}.{key}", variation)
        run = planner.by_rule(run, row.scores, row.score_scale, f"{asked_by}.{key}")
        if row.fuse is not None:
            run = planner.fused(run, planner.run(data, row.fuse.partner, variation=variation), row.fuse)
        printed = _paper(code, dataset.paper, *row.paper) if row.paper else None
        cells[data] = _cell(run, row.labels or 0, printed)
    title = (row.title or title_of("+".join(parts.values()))) + (
        f" ({RULE_TITLES[row.scores]})" if row.scores in RULE_TITLES else ""
    )
    in_paper = row.in_paper and row.scores == "own" and row.fuse is None and asked_by != "extra"
    return _row(row.method, cells, key=key, title=title, against=row.against, in_paper=in_paper)


def _learns_from_labels(planner: Planner, row: Variation) -> bool:
    settings = {row.method: settings_of(planner.config, row.method, row.set)}
    if row.fuse is not None:
        settings = {row.fuse.partner: settings_of(planner.config, row.fuse.partner)} | settings
    return any(method_of(name).kinds(chosen) & {TRAIN, SHOTS} for name, chosen in settings.items())


def _check_against(asked_by: str, rows: Mapping[str, RowSpec], variations: Mapping[str, Variation]) -> None:
    """Rows are compared with rows of their own group: the others are under another heading."""
    for key, row in variations.items():
        group = [name for name in rows if name not in variations or variations[name].group == row.group]
        for other in row.against:
            if other == key:
                raise UserError(f"config: {asked_by}.{key}.against: the row itself (expected another row)")
            if other not in group:
                raise unknown(f"{asked_by}.{key}.against", other, group, "row of this group of the table")


def _known(planner: Planner, asked_by: str, name: str) -> None:
    if name not in planner.config.methods:
        raise unknown(asked_by, name, planner.config.methods, "method of Table 1")


def _level_row(name: str, run: Run, levels: Sequence[int], printed: Printed, against: Sequence[str] = ()) -> RowSpec:
    table, dataset, unit = printed
    title = title_of(name)
    cells = {str(level): _cell(run, level, _paper(table, dataset, title, f"{level}{unit}")) for level in levels}
    return _row(name, cells, against=against)


def _row(
    name: str,
    cells: Mapping[str, CellSpec],
    key: str = "",
    title: str = "",
    against: Sequence[str] = (),
    in_paper: bool | None = None,
) -> RowSpec:
    parts = name.split("+")
    if in_paper is None:
        in_paper = all(method_of(part).in_paper for part in parts)
    return RowSpec(
        key=key or name,
        title=title or title_of(name),
        remark="" if in_paper else NOT_IN_PAPER,
        deterministic=all(is_deterministic(part) for part in parts),
        against=against,
        cells=cells,
    )


def _cell(run: Run, level: int = 0, paper: PaperName | None = None) -> CellSpec:
    return CellSpec(run=run.key, level=level, paper=paper)


def _paper(table: str, dataset: str | None, method: str, setting: str) -> PaperName | None:
    return (table, dataset, method, setting) if table and dataset else None


def _level_columns(levels: Sequence[int], unit: str) -> list[ColumnSpec]:
    return [ColumnSpec(key=str(level), header=f"{level}{unit}") for level in levels]


def _dataset_columns(planner: Planner, chosen: Sequence[str] | None = None) -> list[ColumnSpec]:
    return [
        ColumnSpec(key=name, header=dataset.title, paper=dataset.paper)
        for name, dataset in evaluated_datasets(planner.config, chosen).items()
    ]
