"""OpenAI's CLIP, and every CLIP in its format: the micro world's own among them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings

# `import clip.clip` reads a version through pkg_resources; a user cannot act on its deprecation.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)


def _light_clip() -> None:
    """Let `clip.model` and `clip.simple_tokenizer` be imported without the rest of OpenAI's package.

    The package's `__init__` imports `clip.clip`, and that imports torchvision: three seconds of each job's start, of no
    use to training and evaluation. Names of the package itself (`clip.tokenize`) still load it when they are used.
    """
    spec = importlib.util.find_spec("clip") if "clip" not in sys.modules else None
    if spec is None:
        return
    package = types.ModuleType("clip")
    package.__spec__, package.__file__, package.__path__ = spec, spec.origin, list(spec.submodule_search_locations)
    package.__getattr__ = lambda name: getattr(_whole_clip(), name)  # type: ignore[method-assign]
    sys.modules["clip"] = package


def _whole_clip() -> types.ModuleType:
    return importlib.import_module("clip.clip")


_light_clip()
