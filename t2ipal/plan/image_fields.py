"""Which features of images are read, by whom: only those are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from t2ipal.features.fields import ALL_FIELDS, GLOBAL_NOPOS, GLOBAL_POS, LOCAL
from t2ipal.plan.queries import (
    audit_judge,
    audit_part,
    audited_images,
    base_runs,
    calibrating_run,
    heat_map_run,
    pictures,
    search_points,
    searches,
)
from t2ipal.plan.runs import method_of, settings_of

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.make import Plan


def generated_fields(config: Config, plan: Plan, clip: str, pool: str, t2i: str) -> frozenset[str]:
    """The fields of a pool's generated images that runs and pages read; all of what nobody reads."""
    image_set = (clip, pool, t2i)
    runs = [run for run in plan.runs.values() if run.trains and run.reads("images")]
    wanted = [run.fields for run in runs if (run.clip, run.pool, run.t2i) == image_set]
    wanted += [frozenset({GLOBAL_POS})] * (image_set in audited_images(config, plan))
    for dataset, data in config.datasets.items():
        if image_set == (config.use.clip, data.pool, config.use.text_to_image) and _shows_gap(config, plan, dataset):
            wanted.append(frozenset({GLOBAL_NOPOS}))
        if (run := calibrating_run(config, plan, dataset)) and image_set == (run.clip, run.pool, run.t2i):
            wanted += [run.fields for run in base_runs(plan, dataset)]
    return frozenset().union(*wanted) or ALL_FIELDS


def labelled_fields(config: Config, plan: Plan, clip: str, part: str, dataset: str) -> frozenset[str]:
    """The fields of a data set's labelled images that runs, searches and pages read; all of what nobody reads."""
    runs = [run for run in plan.runs.values() if (run.clip, run.dataset) == (clip, dataset)]
    wanted = [run.fields for run in runs if part != "train" or run.reads("train")]
    if (clip, part) == (audit_judge(config, plan, dataset), audit_part(config, dataset)):
        wanted.append(frozenset({GLOBAL_POS}))
    if part != "test":
        wanted += _searched(config, clip, dataset)
    elif clip == config.use.clip:
        wanted += [frozenset({LOCAL})] * (heat_map_run(plan, dataset) is not None)
        wanted += [frozenset({GLOBAL_NOPOS})] * _shows_gap(config, plan, dataset)
    return frozenset().union(*wanted) or ALL_FIELDS


def _shows_gap(config: Config, plan: Plan, dataset: str) -> bool:
    return "modality_gap.png" in pictures(config, plan, dataset)


def _searched(config: Config, clip: str, dataset: str) -> Iterator[frozenset[str]]:
    """What each point of each search reads of training and validation images."""
    for its_clip, its_dataset, method in searches(config):
        if (its_clip, its_dataset) == (clip, dataset):
            for point in search_points(config, method):
                yield method_of(method).image_fields(settings_of(config, method, point, dataset=dataset))
