"""Checks of values that are each possible but make no sense together, or would end a run only after hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations

from t2ipal.config.schema import Config, Dataset, UseInstead
from t2ipal.errors import UserError
from t2ipal.sources.base import ImageSource
from t2ipal.validation import data_paths

RULES = frozenset(
    {
        *("all", "captions", "captions_label", "captions_page", "captions_read", "captions_selected", "check_data"),
        *("claims", "class_words", "combine", "contact_sheet", "evaluate", "existing_images", "fetch"),
        *("features", "features_captions", "features_generated", "features_labelled", "features_templates"),
        *("generate", "heat_maps", "image_audit", "images"),
        *("labelled_images", "levels", "modality_gap", "per_class", "plan", "predict", "predictions", "protocol"),
        *("recogniser", "report", "search", "search_settings", "sweep", "table", "train", "training_curves", "zoo"),
    }
)
"""Names of rules, which are targets of the command `snakemake`."""
TABLES = frozenset({"table1", "table2", "table3", "table4"})
"""Tables that have blocks of their own in the config."""


def check_plausible(config: Config) -> None:
    """Check reserved names of tables and figures, numbers of images, and what data sets are measured on.

    Raises:
        UserError: one line for the first that makes no sense.
    """
    for key in ("sweeps", "ablations"):
        for name in getattr(config, key):
            if name.lower() in RULES | TABLES:
                what = "a table of its own" if name.lower() in TABLES else "a rule"
                raise UserError(f"config: {key}.{name}: {name!r} is the name of {what} (expected another name)")
    for key, use in _uses(config):
        model = use.text_to_image or config.use.text_to_image
        known = config.text_to_image.get(model)
        if known is not None and (use.samples or 0) > known.samples:
            raise UserError(
                f"config: {key}.use.samples: {use.samples} is more than text_to_image.{model}.samples, {known.samples} "
                "(expected at most that: raise both)"
            )
    for name, model in config.text_to_image.items():
        if (
            model.source == "diffusers"
            and model.store_size
            and model.store_size > min(model.width or 4096, model.height or 4096)
        ):
            raise UserError(
                f"config: text_to_image.{name}.store_size: {model.store_size} is more than the images' shorter side "
                "(expected at most that)"
            )
    for name, dataset in config.datasets.items():
        _check_parts(f"config: datasets.{name}", dataset)


def unused_pools(config: Config, used: list[str]) -> list[str]:
    """A line for each caption pool that no data set and no row reads."""
    return [f"config: pools.{name}: no data set and no row uses it" for name in config.pools if name not in used]


def _uses(config: Config) -> Iterator[tuple[str, UseInstead]]:
    """Every block `use` besides the config's own, with the key that has it."""
    for protocol in ("partial", "novel", "few_shot"):
        if (part := getattr(config, protocol)) is not None:
            yield protocol, part.use
    for name, row in config.extra.items():
        yield f"extra.{name}", row.use
    for table, ablation in config.ablations.items():
        for name, row in ablation.rows.items():
            yield f"ablations.{table}.rows.{name}", row.use


def _check_parts(key: str, dataset: Dataset) -> None:
    """Labelled images have labels, and no image is both learned from and measured on."""
    parts = {name: getattr(dataset, name) for name in ("test", "train", "validation")}
    parts = {name: source for name, source in parts.items() if source is not None and source.photographs}
    for name, source in parts.items():
        if source.source == "folder" and not source.labels:
            photos = "; photos without labels go into `photos`" if name == "test" else ""
            raise UserError(f"{key}.{name}.labels: missing (expected a table of labels{photos})")
    for (first, one), (second, other) in combinations(parts.items(), 2):
        if _images_of(one) == _images_of(other):
            raise UserError(f"{key}.{second}: the same images as {first} (expected others)")


def _images_of(source: ImageSource) -> dict[str, object]:
    """All that decides which images a source has, paths in one form."""
    paths = {key: os.path.normpath(path) for key, path in data_paths(source).items()}
    return {**source.spec(), **paths}
