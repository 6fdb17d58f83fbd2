"""T2I-PAL: text to image for multi-label image recognition with joint prompt-adapter learning.

What programs use, imported when it is first asked for, so that `import t2ipal` is quick and needs no torch:

- `Recogniser`: a trained recogniser, which predicts photos.
- `NounFilter`: the classes that captions name.
- `load_backbone`: a CLIP or SigLIP behind one interface.
- `evaluate`: metrics of scores, with intervals.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2ipal.backbones import load_backbone
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.metrics.scores import evaluate
    from t2ipal.prediction.predict import Recogniser
    from t2ipal.version import VERSION as __version__

__all__ = ["NounFilter", "Recogniser", "__version__", "evaluate", "load_backbone"]

_HOMES = {
    "NounFilter": "t2ipal.captions.nouns.NounFilter",
    "Recogniser": "t2ipal.prediction.predict.Recogniser",
    "__version__": "t2ipal.version.VERSION",
    "evaluate": "t2ipal.metrics.scores.evaluate",
    "load_backbone": "t2ipal.backbones.load_backbone",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 't2ipal' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
