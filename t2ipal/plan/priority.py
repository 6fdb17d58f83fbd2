"""Which job a scheduler starts first: what Table 1 needs, then what takes longest, then the rest.

So the table that most people wait for is finished first, and no long job is left to run alone at the end. Rules whose
jobs have one priority state it themselves; the functions here are for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2ipal.plan.specs import RunKey

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.make import Plan

FIRST, NEXT, LAST = 2, 1, 0
"""What Table 1 needs; what takes long, and what ends a run; the rest."""


def of_images(config: Config, pool: str, t2i: str, sample: int) -> int:
    """The priority of generating image `sample` of each caption of a pool."""
    first_pools = {dataset.pool for dataset in config.datasets.values()}
    in_use = t2i == config.use.text_to_image and sample < config.text_to_image[t2i].samples
    return FIRST if in_use and pool in first_pools else LAST


def of_image_features(config: Config, clip: str, pool: str, t2i: str, sample: int) -> int:
    """The priority of encoding generated images."""
    return of_images(config, pool, t2i, sample) if clip == config.use.clip else LAST


def of_labelled_features(config: Config, clip: str) -> int:
    """The priority of encoding labelled images."""
    return FIRST if clip == config.use.clip else LAST


def of_training(plan: Plan, run: RunKey) -> int:
    """The priority of training a run: those with several levels take longest."""
    if run in _first_runs(plan):
        return FIRST
    return NEXT if plan.runs[run].protocol else LAST


def of_evaluation(plan: Plan, run: RunKey) -> int:
    """The priority of measuring a run: what is trained is measured before the next training starts."""
    return FIRST if run in _first_runs(plan) else NEXT


def _first_runs(plan: Plan) -> set[RunKey]:
    """The base runs, those in the cells of Table 1, and those whose scores these combine."""
    first = {run.key for _, runs in plan.base for run in runs.values()}
    if "table1" in plan.tables:
        first |= {cell.run for cell in plan.tables["table1"].cells}
    return first | {source for key in first for source in plan.runs[key].sources}
