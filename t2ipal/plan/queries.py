"""What rules ask of config and plan: pure functions that answer with names, runs and specifications, not with paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.classes import load_classes
from t2ipal.plan.runs import (
    BASE,
    Run,
    evaluated_datasets,
    is_deterministic,
    method_of,
    protocol_datasets,
    settings_of,
)
from t2ipal.plan.specs import (
    BlockSpec,
    ClaimsSpec,
    CurvesSpec,
    DatasetSpec,
    GapSpec,
    LevelsSpec,
    MethodSpec,
    PerClassSpec,
    PointSpec,
    SweepSpec,
    TableSpec,
)
from t2ipal.plan.tables import seeds_spec
from t2ipal.protocols import FEW_SHOT, NOVEL, PARTIAL, PROTOCOLS
from t2ipal.rows import TRAIN

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.make import Plan

LEVEL_TABLES = {PARTIAL: ("table2", "labels"), FEW_SHOT: ("table4", "shots")}
"""Protocol -> the table that a figure shows as curves, and its axis."""
GAP_METHODS = ("tai_dpt", "oracle")
"""What the modality gap costs: one learns on the side of the texts, one on the side of the images."""
PROMPT_METHODS = ("zsclip", "tai_dpt", "t2i_pal", "oracle")
"""Methods with class prompts: before training ZSCLIP's, after it those that were learned."""


# Captions and images


def pools(config: Config, plan: Plan) -> list[str]:
    """The caption pools that runs read, in the config's order."""
    used = {dataset.pool for dataset in config.datasets.values()} | {run.pool for run in plan.runs.values()}
    return [pool for pool in config.pools if pool in used]


def readers(config: Config, plan: Plan, pool: str) -> list[str]:
    """The data sets whose classes are looked for in a pool."""
    asking = {run.dataset for run in plan.runs.values() if run.pool == pool}
    return [name for name, dataset in config.datasets.items() if dataset.pool == pool or name in asking]


def labels_name(config: Config, dataset: str) -> str:
    """The name of a data set's caption labels in paths: class list and filter, words and cap where there are any."""
    data = config.datasets[dataset]
    limits = [f"-{name}{value}" for name, value in (("words", data.words), ("cap", data.cap)) if value]
    return "".join((f"{classes_name(config, dataset)}-{data.filter}", *limits))


def labels_owner(config: Config, plan: Plan, pool: str, labels: str) -> str:
    """The first data set whose caption labels have this name in paths."""
    return next(name for name in readers(config, plan, pool) if labels_name(config, name) == labels)


def classes_name(config: Config, dataset: str) -> str:
    """The name of a data set's class list in paths: its file's, with a digest if another list has the same.

    A file name does not identify a list: `a/classes.txt` and `b/classes.txt` may have other classes, or other words.
    """
    own = config.datasets[dataset].classes
    name = _path_name(own)
    same = {data.classes for data in config.datasets.values() if _path_name(data.classes) == name}
    if len(same) == 1 or len({load_classes(classes).digest for classes in same}) == 1:
        return name
    return f"{name}-{load_classes(own).digest}"


def _path_name(classes: str) -> str:
    """The name of a class list's file without what means something in patterns of paths."""
    return re.sub(r"[{}<>*?\[\]]", "-", Path(classes).stem)


def classes_owner(config: Config, classes: str) -> str:
    """The first data set whose class list has this name in paths."""
    return next(name for name in config.datasets if classes_name(config, name) == classes)


def images_to_generate(plan: Plan, pool: str) -> list[tuple[str, int]]:
    """The images of a pool that runs need: (text-to-image model, samples); empty if no run uses any."""
    runs = [run for run in plan.runs.values() if run.pool == pool and run.samples]
    return sorted({(t2i, max(run.samples for run in runs if run.t2i == t2i)) for t2i in {run.t2i for run in runs}})


def labelled_images(config: Config, plan: Plan) -> list[tuple[str, str]]:
    """(part, data set) of all labelled images that the runs need."""
    train = {run.dataset for run in plan.runs.values() if run.reads("train_images")}
    parts = [("test", name) for name in evaluated_datasets(config)]
    parts += [("validation", name) for name, dataset in config.datasets.items() if dataset.validation]
    return parts + [("train", name) for name in config.datasets if name in train]


def photo_datasets(config: Config) -> list[str]:
    """The data sets with photos to predict, in the config's order."""
    return [name for name, dataset in config.datasets.items() if dataset.photos]


def features(config: Config, plan: Plan) -> list[str]:
    """The features that runs read, as paths below `features`, without suffix."""
    paths: set[str] = set()
    for run in plan.runs.values():
        if run.trains:
            data, clip = config.datasets[run.dataset], run.clip
            labelled = {"test": data.test, "validation": data.validation, "train": run.reads("train")}
            paths |= {f"{clip}/{part}/{run.dataset}" for part, needed in labelled.items() if needed}
            if run.reads("captions"):
                paths.add(f"{clip}/captions/{run.pool}")
            if run.reads("templates"):
                paths.add(f"{clip}/templates/{classes_name(config, run.dataset)}")
            if run.reads("images"):
                shards = product(range(run.samples), range(config.pools[run.pool].shards))
                paths |= {f"{clip}/images/{run.pool}/{run.t2i}/sample{k}/shard-{i}" for k, i in shards}
    return sorted(paths)


# Runs


def base_runs(plan: Plan, dataset: str, methods: Sequence[str] | None = None) -> list[Run]:
    """The base runs on one data set in the order of the config, of some methods alone if `methods` names them."""
    return [runs[dataset] for name, runs in plan.base if methods is None or name in methods]


def calibrating_run(config: Config, plan: Plan, dataset: str) -> Run | None:
    """The base run whose generated images calibrate a data set's recognisers; None if the config asks for none."""
    runs = [run for run in base_runs(plan, dataset) if run.reads("images")]
    return max(runs, key=lambda run: run.samples) if config.datasets[dataset].calibrate else None


def audit_judge(config: Config, plan: Plan, dataset: str) -> str | None:
    """The CLIP that judges a data set's generated images: the first that training does not use, else the one it uses.

    None without images of the model in use, or without labelled real images next to them.
    """
    if config.use.text_to_image not in _generators(config, plan, dataset) or audit_part(config, dataset) is None:
        return None
    return next((name for name in config.clip if name != config.use.clip), config.use.clip)


def audited(config: Config, plan: Plan, dataset: str) -> list[str]:
    """The text-to-image models whose images of a data set's captions are audited: that in use, then the others."""
    used = config.use.text_to_image
    others = [name for name in _generators(config, plan, dataset) if name != used]
    return [used, *others] if audit_judge(config, plan, dataset) else []


def audited_images(config: Config, plan: Plan) -> set[tuple[str, str, str]]:
    """(CLIP, pool, text-to-image model) of the first image of each caption that audits read."""
    return {
        (audit_judge(config, plan, dataset), data.pool, t2i)
        for dataset, data in config.datasets.items()
        for t2i in audited(config, plan, dataset)
    }


def _generators(config: Config, plan: Plan, dataset: str) -> list[str]:
    """The text-to-image models whose images of a data set's captions some run needs, in the config's order."""
    needed = {t2i for t2i, _ in images_to_generate(plan, config.datasets[dataset].pool)}
    return [name for name in config.text_to_image if name in needed]


def audit_part(config: Config, dataset: str) -> str | None:
    """The labelled images next to which generated ones are audited: those of validation, or else of the test."""
    data = config.datasets[dataset]
    return "validation" if data.validation else "test" if data.test else None


def trained_runs(plan: Plan, dataset: str) -> list[Run]:
    """The base runs on one data set whose method trains."""
    return [run for run in base_runs(plan, dataset) if run.kinds]


def heat_map_run(plan: Plan, dataset: str) -> Run | None:
    """The base run whose heat maps are shown: T2I-PAL's, or the first of a method that has some."""
    runs = [run for run in base_runs(plan, dataset) if hasattr(method_of(run.method), "heat_maps")]
    return min(runs, key=lambda run: run.method != "t2i_pal", default=None)


def table_runs(plan: Plan, tables: Iterable[TableSpec]) -> list[Run]:
    """The runs that fill the cells of tables, each once."""
    return [plan.runs[key] for key in dict.fromkeys(cell.run for table in tables for cell in table.cells)]


def sweep_runs(plan: Plan, sweep: str, dataset: str) -> list[Run]:
    """The runs of a sweep, and the base runs that it is compared with."""
    points = [run for _, run in plan.sweeps[sweep][dataset]]
    return [*points, *(run for run in base_runs(plan, dataset) if run not in points)]


def claims_runs(config: Config, plan: Plan) -> list[Run]:
    """The runs of tables and the points of sweeps about which there is a claim."""
    points = [plan.runs[point.run] for sweep in _claimed_sweeps(config, plan) for point in sweep.points]
    return list({run.key: run for run in (*table_runs(plan, _claimed_tables(plan)), *points)}.values())


def levels_runs(config: Config, plan: Plan, protocol: str, dataset: str) -> list[Run]:
    """The runs of the block of a protocol's table that is one data set's."""
    cells = _levels_block(config, plan, protocol, dataset).cells
    return [plan.runs[key] for key in dict.fromkeys(cell.run for cell in cells)]


# Protocols and searches


def novel_classes(plan: Plan, run: Run) -> tuple[str, ...]:
    """The novel classes of a run, if its protocol has any."""
    return plan.novel[run.dataset] if run.protocol == NOVEL else ()


def protocol_runs(plan: Plan, protocol: str, dataset: str) -> list[Run]:
    """The runs of a protocol on one data set: its file holds the levels and seeds of them all."""
    return [run for run in plan.runs.values() if (run.protocol, run.dataset) == (protocol, dataset)]


def search_protocol(config: Config, method: str) -> str | None:
    """The protocol of a method's search: the first that lists it."""
    asking = (name for name in PROTOCOLS if getattr(config, name) and method in getattr(config, name).methods)
    return next(asking, None)


def search_points(config: Config, method: str) -> list[dict[str, Any]]:
    """Every combination of settings that a method's search may try, whatever is best of its grid."""
    search = config.search[method]
    points = [dict(zip(search.grid, point, strict=True)) for point in product(*search.grid.values())]
    others = [{key: value} for key, values in search.then.items() for value in values]
    return [point | other for point in points for other in ({}, *others)]


def search_run(config: Config, plan: Plan, method: str, dataset: str) -> Run:
    """A run that reads what a method's search reads: of a protocol its labelled images, else what any point reads."""
    if protocol := search_protocol(config, method):
        kinds = frozenset({PROTOCOLS[protocol]})
        run = next(run for run in protocol_runs(plan, protocol, dataset) if run.method == method)
    else:
        settings = (settings_of(config, method, point, dataset=dataset) for point in search_points(config, method))
        kinds = frozenset().union(*(method_of(method).kinds(point) for point in settings))
        run = plan.runs[dataset, method, BASE]
    return replace(run, protocol="", kinds=kinds)


def search_levels(config: Config, protocol: str) -> list[int]:
    """The levels of the searches in a protocol."""
    return sorted(
        {search.level for method, search in config.search.items() if method in getattr(config, protocol).methods}
    )


def search_novel(config: Config, plan: Plan, method: str, dataset: str) -> tuple[str, ...]:
    """The novel classes of a method's search, if its protocol has any."""
    return plan.novel[dataset] if search_protocol(config, method) == NOVEL else ()


def protocol_spec(config: Config, plan: Plan, name: str, dataset: str) -> dict[str, Any]:
    """Contents of a protocol's file: levels and seeds of all its runs; of searches for a name "{protocol}-search"."""
    protocol, _, search = name.partition("-")
    runs = protocol_runs(plan, protocol, dataset)
    if search:
        levels, seeds = search_levels(config, protocol), list(config.search_seeds)
    else:
        levels = sorted({level for run in runs for level in run.levels})
        seeds = sorted({seed for run in runs for seed in run.seeds})
    spec = {"protocol": protocol, "levels": levels, "seeds": seeds, "novel": list(novel_classes(plan, runs[0]))}
    return spec | ({"masks": config.partial.masks} if protocol == PARTIAL else {})


def searches(config: Config) -> list[tuple[str, str, str]]:
    """(CLIP, data set, method) of each search: a method of `search`, a data set with validation images."""
    asked = []
    for method in config.search:
        if protocol := search_protocol(config, method):
            clip, names = getattr(config, protocol).use.clip or config.use.clip, protocol_datasets(config, protocol)
        elif method in config.methods:
            clip, learns = config.use.clip, TRAIN in method_of(method).kinds(settings_of(config, method))
            names = [name for name, dataset in config.datasets.items() if dataset.train or not learns]
        else:
            continue
        asked += [(clip, name, method) for name in names if config.datasets[name].validation]
    return asked


# Specifications of figures and claims


def method_spec(name: str) -> MethodSpec:
    """A method, as tables and figures show it."""
    method = method_of(name)
    return MethodSpec(name=name, title=method.title, in_paper=method.in_paper, deterministic=is_deterministic(name))


def dataset_spec(config: Config, name: str) -> DatasetSpec:
    """A data set, as tables and figures show it."""
    return DatasetSpec(name=name, title=config.datasets[name].title, paper=config.datasets[name].paper)


def sweep_spec(config: Config, plan: Plan, name: str, dataset: str) -> SweepSpec:
    """A sweep's figure on one data set."""
    sweep = config.sweeps[name]
    base = plan.runs[dataset, sweep.method, "base"]
    default = base.samples if sweep.key == "samples" else base.settings[sweep.key]
    return _sweep(config, plan, name, dataset).model_copy(update={"default": default})


def claims_spec(config: Config, plan: Plan) -> ClaimsSpec:
    """The systems and levels of the paper's claims."""
    sweeps = _claimed_sweeps(config, plan)
    seeds = seeds_spec(config)
    notes = (f"Figures 3 and 4 and tables of variations have the {seeds.text}, Tables 1 to 4 have all.",)
    tables = _claimed_tables(plan)
    return ClaimsSpec(tables=tables, sweeps=sweeps, metric=config.metric, notes=notes if seeds.shown else ())


def level_figures(config: Config, plan: Plan) -> list[tuple[str, str]]:
    """(protocol, data set) of the tables of levels that are shown as curves."""
    return [
        (protocol, dataset)
        for protocol, (table, _) in LEVEL_TABLES.items()
        if table in plan.tables
        for dataset in protocol_datasets(config, protocol)
    ]


def levels_spec(config: Config, plan: Plan, protocol: str, dataset: str) -> LevelsSpec:
    """The block of a protocol's table that is one data set's, as curves."""
    table, axis = LEVEL_TABLES[protocol]
    return LevelsSpec(
        axis=axis,
        title=plan.tables[table].title,
        dataset=dataset_spec(config, dataset),
        rows=_levels_block(config, plan, protocol, dataset).rows,
    )


def per_class_spec(config: Config, dataset: str, classes: Sequence[str]) -> PerClassSpec:
    """The figure of each class's average precision on one data set."""
    return PerClassSpec(
        dataset=dataset_spec(config, dataset),
        methods=tuple(map(method_spec, config.methods)),
        classes=classes,
    )


def curves_spec(config: Config, plan: Plan, dataset: str) -> CurvesSpec:
    """The figure of the losses on one data set."""
    methods = tuple(method_spec(run.method) for run in trained_runs(plan, dataset))
    return CurvesSpec(dataset=dataset_spec(config, dataset), methods=methods)


def gap_spec(config: Config, plan: Plan, dataset: str) -> GapSpec:
    """The figure of the modality gap on one data set."""
    return GapSpec(
        dataset=dataset_spec(config, dataset),
        methods=tuple(method_spec(run.method) for run in base_runs(plan, dataset, GAP_METHODS)),
        prompts=tuple(method_spec(run.method) for run in base_runs(plan, dataset, PROMPT_METHODS)),
        metric=config.metric,
    )


def pictures(config: Config, plan: Plan, dataset: str) -> list[str]:
    """The files of the report that a data set and the config's methods allow: stem and suffix, without the data set."""
    data = config.datasets[dataset]
    wanted = {
        "captions.html": True,
        "contact_sheet.png": bool(images_to_generate(plan, data.pool)),
        "training_curves.png": bool(trained_runs(plan, dataset)),
        "per_class.png": data.test is not None,
        "heat_maps.png": data.test is not None and heat_map_run(plan, dataset) is not None,
        "image_audit.html": audit_judge(config, plan, dataset) is not None,
        "modality_gap.png": data.test is not None and bool(base_runs(plan, dataset, GAP_METHODS)),
    }
    return [name for name, shown in wanted.items() if shown]


def _sweep(config: Config, plan: Plan, name: str, dataset: str) -> SweepSpec:
    sweep = config.sweeps[name]
    return SweepSpec(
        name=name,
        key=sweep.key,
        points=tuple(PointSpec(value=value, run=run.key) for value, run in plan.sweeps[name][dataset]),
        method=method_spec(sweep.method),
        others=tuple(method_spec(other) for other in config.methods if other != sweep.method),
        dataset=dataset_spec(config, dataset),
        metric=config.metric,
        seeds=seeds_spec(config),
    )


def _claimed_tables(plan: Plan) -> tuple[TableSpec, ...]:
    """The tables that compare rows, or print values of the paper."""
    return tuple(
        table
        for table in plan.tables.values()
        if any(row.against for row in table.rows) or any(cell.paper for cell in table.cells)
    )


def _claimed_sweeps(config: Config, plan: Plan) -> tuple[SweepSpec, ...]:
    """The sweeps about which the paper makes a claim, with the claim and the points that it names."""
    claimed = []
    for name, by_dataset in plan.sweeps.items():
        above = tuple((upper, lower) for upper, lower in config.sweeps[name].above)
        named = {end for pair in above for end in pair}
        for sweep in (_sweep(config, plan, name, dataset) for dataset in by_dataset if above):
            points = tuple(point for point in sweep.points if point.value in named)
            claimed.append(sweep.model_copy(update={"points": points, "above": above}))
    return tuple(claimed)


def _levels_block(config: Config, plan: Plan, protocol: str, dataset: str) -> BlockSpec:
    table, _ = LEVEL_TABLES[protocol]
    blocks = plan.tables[table].blocks
    return next(block for block in blocks if (block.dataset, block.metric) == (dataset, config.metric))
