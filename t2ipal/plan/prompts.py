"""Do the class names fit into prompts? Known before a run, without a model and mostly without a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from t2ipal import backbones
from t2ipal.classes import load_classes
from t2ipal.config import Config
from t2ipal.errors import UserError
from t2ipal.names import spoken
from t2ipal.plan.runs import Run

WORDS = 4
"""Tokens in front of the name where a method learns no context: "a photo of a"."""
MARKS = 2
"""Start and end."""


def check_prompts(config: Config, runs: Iterable[Run]) -> None:
    """Check that each class name fits into a prompt with the context vectors of each run.

    Raises:
        UserError: one line for the first name that is too long.
    """
    asked = {(run.dataset, run.clip, run.settings.get("n_ctx", WORDS)): run.method for run in runs if run.trains}
    for (dataset, clip, before), method in sorted(asked.items(), key=lambda item: -item[0][2]):
        kind, _ = backbones.split(config.clip[clip].model)
        room = kind.positions - before - MARKS
        for name in load_classes(config.datasets[dataset].classes).names:
            text = f"{spoken(name)}."
            # a token is a byte or more
            if len(text.encode()) > room and kind.count_tokens(text) > room:
                raise UserError(
                    f"config: datasets.{dataset}.classes: {name!r} has {kind.count_tokens(text)} tokens, and a prompt "
                    f"of {method} has room for {room} (expected a shorter name)"
                )
