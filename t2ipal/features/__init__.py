"""Frozen CLIP: loading it, its dense features, and the files that keep them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings

# `import clip.clip` reads a version through pkg_resources, whose deprecation is nothing that a user could act on.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)


def _light_clip() -> None:
    """Let `clip.model` and `clip.simple_tokenizer` be imported without the rest of OpenAI's package.

    The package's `__init__` imports `clip.clip`, and that torchvision: three seconds of each job's start, of no use to
    training and evaluation. Names of the package itself (`clip.tokenize`) still load it when they are asked for.
    """
    found = importlib.util.find_spec("clip") if "clip" not in sys.modules else None
    if found is None:
        return
    package = types.ModuleType("clip")
    package.__spec__, package.__file__, package.__path__ = found, found.origin, list(found.submodule_search_locations)
    package.__getattr__ = lambda name: getattr(_whole_clip(), name)  # type: ignore[method-assign]
    sys.modules["clip"] = package


def _whole_clip() -> types.ModuleType:
    return importlib.import_module("clip.clip")


_light_clip()
