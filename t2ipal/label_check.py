"""Does each class have an image to be measured on, and where the config has few-shot samples one to learn from?

Average precision is not defined for a class without a positive test image, and a mean over some of the classes would be
another number than the one that tables print: such a class is an error, before anything is generated.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.plan import queries
from t2ipal.protocols import FEW_SHOT, NOVEL
from t2ipal.sources.class_counts import without_images
from t2ipal.validation import located

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.make import Plan


def needs_each_class(config: Config, plan: Plan) -> list[tuple[str, str]]:
    """(part, data set) of the labelled images that need an image of each class."""
    sampled = {run.dataset for run in plan.runs.values() if run.protocol in (FEW_SHOT, NOVEL)}
    parts = queries.labelled_images(config, plan)
    return [(part, name) for part, name in parts if part == "test" or (part == "train" and name in sampled)]


def check_labels(config: Config, plan: Plan) -> None:
    """Check that each class has an image wherever it needs one, in all sources that are there and quickly read.

    Validation images need not show each class, but one.

    Raises:
        UserError: one line for the first set of images that lacks a class, or whose labels are malformed.
    """
    for part, name in needs_each_class(config, plan):
        source = located(getattr(config.datasets[name], part), config.data_dir)
        there = all(os.path.exists(file.path) for file in source.files())
        if there and (line := without_images(part, source, config.datasets[name].classes)):
            raise UserError(f"config: datasets.{name}.{part}: {line}")
    for part, name in queries.labelled_images(config, plan):
        source, classes = located(getattr(config.datasets[name], part), config.data_dir), config.datasets[name].classes
        if part == "validation" and all(os.path.exists(file.path) for file in source.files()):
            counts = source.positives(load_classes(classes))
            if counts is not None and not any(counts):
                raise UserError(
                    f"config: datasets.{name}.validation: no image of any class (expected some: thresholds and "
                    "probabilities rest on them)"
                )
