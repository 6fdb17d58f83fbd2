"""Checks of the config that one key alone cannot settle: names that refer to each other, and names given twice."""

from __future__ import annotations

import os
from collections.abc import Iterator

from t2ipal import backbones
from t2ipal.backbones.base import check_size
from t2ipal.classes import load_classes
from t2ipal.config.schema import Config, FewShot, Novel, Partial
from t2ipal.errors import UserError
from t2ipal.metrics.registry import METRICS
from t2ipal.names import check_texts, twins
from t2ipal.validation import unknown


def check_references(config: Config) -> None:
    """Check that every name in the config is that of an entry of it, and that nothing is named twice.

    Raises:
        UserError: one line for the first that is not.
    """
    for name, dataset in config.datasets.items():
        if dataset.pool not in config.pools:
            raise unknown(f"datasets.{name}.pool", dataset.pool, config.pools, "caption pool")
        try:
            load_classes(dataset.classes)
        except UserError as error:
            raise UserError(f"config: datasets.{name}.classes: {error}") from error
        if dataset.test is None and dataset.photos is None:
            raise UserError(f"config: datasets.{name}.test: missing (expected labelled test images, or photos)")
        photos, labelled = dataset.photos, dataset.validation or dataset.calibrate
        if photos and photos.scores == "softmax" and not (photos.score_scale or labelled):
            raise UserError(
                f"config: datasets.{name}.photos.score_scale: missing (expected a number, since there are no labelled "
                "images to take it from)"
            )
        if dataset.calibrate and dataset.validation:
            raise UserError(
                f"config: datasets.{name}.calibrate: {dataset.calibrate!r}, but there are labelled validation images "
                "(expected null: they are the better ones)"
            )
    _check_shown(config)
    _check_paths(config)
    _check_metrics(config)
    if config.name == "zoo":
        raise UserError("config: name: 'zoo' is where the zoo is trained (expected another name)")
    for name in config.pools.keys() & {"test", "train", "validation"}:
        raise UserError(f"config: pools.{name}: {name!r} is a folder of labelled images (expected another name)")
    if config.use.text_to_image not in config.text_to_image:
        raise unknown("use.text_to_image", config.use.text_to_image, config.text_to_image, "text-to-image model")
    if config.use.clip not in config.clip:
        raise unknown("use.clip", config.use.clip, config.clip, "CLIP model")
    for name, clip in config.clip.items():
        try:
            backbones.location(clip.model)
        except UserError as error:
            raise UserError(f"config: clip.{name}.model: {error}") from error
        if patch := backbones.patch_of(clip.model):
            try:
                check_size(clip.image_size, patch, clip.model)
            except UserError as error:
                raise UserError(f"config: clip.{name}.{error}") from error
    for key, seeds in (("seeds", config.seeds), ("search_seeds", config.search_seeds)):
        if len(set(seeds)) < len(seeds):
            raise UserError(f"config: {key}: {seeds} holds one twice (expected different seeds)")
    if both := set(config.seeds) & set(config.search_seeds):
        raise UserError(f"config: search_seeds: {min(both)} is one of seeds (expected other seeds than the runs')")
    lists = {"methods": config.methods}
    lists |= {f"sweeps.{name}.values": sweep.values for name, sweep in config.sweeps.items()}
    lists |= {f"extra.{name}.against": row.against for name, row in config.extra.items()}
    for table, ablation in config.ablations.items():
        lists |= {f"ablations.{table}.rows.{name}.against": row.against for name, row in ablation.rows.items()}
    for method, search in config.search.items():
        for part in ("grid", "then"):
            lists |= {f"search.{method}.{part}.{name}": values for name, values in getattr(search, part).items()}
    named_datasets = {f"sweeps.{name}": sweep.datasets for name, sweep in config.sweeps.items()}
    named_datasets |= {f"ablations.{name}": ablation.datasets for name, ablation in config.ablations.items()}
    for protocol in ("partial", "novel", "few_shot"):
        part = getattr(config, protocol)
        if part is not None:
            lists |= {f"{protocol}.methods": part.methods, f"{protocol}.levels": part.levels}
            lists |= {f"{protocol}.{name}": value for name, value in _named_once(part)}
            named_datasets[protocol] = part.datasets
    for key, names in named_datasets.items():
        lists |= {f"{key}.datasets": names or []}
        for name in names or ():
            if name not in config.datasets:
                raise unknown(f"{key}.datasets", name, config.datasets, "data set")
    _check_methods_of(config)
    for key, values in lists.items():
        if any(value in values[:index] for index, value in enumerate(values)):
            raise UserError(f"config: {key}: {values} holds one twice")


def _named_once(part: Partial | Novel | FewShot) -> Iterator[tuple[str, list[str]]]:
    if (fuse := getattr(part, "fuse", None)) is not None:
        yield "fuse.partners", fuse.partners
    yield "zero_shot", getattr(part, "zero_shot", [])
    for data, methods in getattr(part, "methods_of", {}).items():
        yield f"methods_of.{data}", methods


def _check_shown(config: Config) -> None:
    """Names of one kind are different, and all text that names runs, which tables and pages show, can be shown."""
    for key in ("pools", "datasets", "text_to_image", "clip", "sweeps", "ablations"):
        if same := twins(getattr(config, key)):
            raise UserError(f"config: {key}: {same[0]!r} and {same[1]!r} are one name (expected different names)")
    plain = config.model_dump()
    for key in ("training", "settings", "methods", "extra", "ablations", "sweeps", "search"):
        check_texts(plain[key], f"config: {key}")
    for name, dataset in config.datasets.items():
        check_texts(dataset.settings, f"config: datasets.{name}.settings")


def _check_paths(config: Config) -> None:
    """No two things are written to one file."""
    for name in config.datasets:
        if name.endswith("-rejects"):
            raise UserError(f"config: datasets.{name}: lists of rejects end in '-rejects' (expected another name)")
    caches: dict[str, str] = {}
    for name, pool in config.pools.items():
        if cache := getattr(pool, "cache", None):
            first = caches.setdefault(os.path.normpath(os.path.join(config.data_dir, cache)), name)
            if first != name:
                raise UserError(
                    f"config: pools.{name}.cache: {cache} is the cache of pools.{first} (expected a file for each)"
                )
    figures: dict[str, str] = {}
    for figure in ("levels-partial", "levels-few_shot", *config.sweeps):
        for dataset in config.datasets:
            first = figures.setdefault(f"{figure}-{dataset}", figure)
            if first != figure:
                raise UserError(
                    f"config: sweeps.{figure}: figures {first} and {figure} would both be {figure}-{dataset}.png "
                    "(expected another name)"
                )


def _check_metrics(config: Config) -> None:
    """All metrics exist, none is named twice, and the first of each table can be measured on all its data sets."""
    named = {"metric": [config.metric], "table_metrics": [config.metric, *config.table_metrics]}
    named |= {f"ablations.{name}.metrics": ablation.metrics or [] for name, ablation in config.ablations.items()}
    for key, metrics in named.items():
        for name in metrics:
            if name not in METRICS:
                raise unknown(key, name, METRICS, "metric")
        if len(set(metrics)) < len(metrics):
            raise UserError(f"config: {key}: {metrics} holds one twice")
    for key, metrics in named.items():
        table = config.ablations.get(key.split(".")[1]) if "." in key else None
        rows = table.rows.values() if table else ()
        uncalibrated = [name for name in metrics if METRICS[name].needs_probabilities]
        if uncalibrated and not (table and all(row.scores == "calibrated" for row in rows)):
            raise UserError(
                f"config: {key}: {uncalibrated[0]} is one of probabilities (expected it among the metrics of a "
                "table of ablations whose rows all have scores: calibrated)"
            )
    for first in [metrics[0] for metrics in named.values() if metrics]:
        for name, dataset in config.datasets.items():
            if METRICS[first].needs_threshold and dataset.test is not None and dataset.validation is None:
                raise UserError(
                    f"config: datasets.{name}.validation: missing (metric {first} takes its threshold from "
                    "labelled validation images)"
                )


def _check_methods_of(config: Config) -> None:
    for dataset, methods in (config.partial.methods_of if config.partial else {}).items():
        if dataset not in config.datasets:
            raise unknown("partial.methods_of", dataset, config.datasets, "data set")
        for method in methods:
            if method not in config.partial.methods:
                raise unknown(f"partial.methods_of.{dataset}", method, config.partial.methods, "method of this table")
