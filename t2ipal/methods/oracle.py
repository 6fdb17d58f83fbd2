"""Oracle: T2I-PAL's prompts and adapter, learned from real images with their true labels. Not in the paper."""

from __future__ import annotations

from collections.abc import Mapping

from t2ipal.methods.prompt_learning import AdapterLearning, AdapterSettings
from t2ipal.rows import TRAIN


class Oracle(AdapterLearning):
    """What the same parameters reach without a modality gap and without label noise: an upper bound."""

    name = "oracle"
    title = "Oracle (true labels)"
    source = "this project: T2I-PAL with labelled real images in place of captions and their images"
    uses = frozenset({TRAIN})
    in_paper = False
    Settings = AdapterSettings

    @classmethod
    def weights(cls, settings: AdapterSettings) -> Mapping[str, float]:
        return {TRAIN: 1.0}
