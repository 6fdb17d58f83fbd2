"""Paths as people write them in a config: `~` for one's home, and `resources/...` for what comes with the project."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator

from t2ipal.resource_files import resource

_KIND = re.compile(r"([a-z][a-z0-9_]*:)?(.*)", re.DOTALL)
"""The kind of a backbone, such as "openai:", and the rest."""
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")


def from_home(path: str) -> str:
    """A path with `~` and `~user` replaced by the home that they stand for.

    Raises:
        ValueError: it is empty, which would be the folder that it starts from, or an address, or there is no such user.
    """
    if not path.strip():
        raise ValueError("empty; expected a path, or null where there may be none")
    if _ADDRESS.match(path):
        raise ValueError("an address; expected a path")
    whole = os.path.expanduser(path)
    if whole.startswith("~"):
        raise ValueError("no such user; expected ~ for one's own home, or ./ in front of a name that begins with ~")
    return whole


def from_project(path: str) -> str:
    """A path `resources/...` as seen from the working directory, which need not be the project's.

    A folder `resources` of one's own comes first.
    """
    first, _, rest = path.partition("/")
    if first != "resources" or os.path.exists(path) or not (shipped := resource(rest)).exists():
        return path
    return os.path.relpath(shipped)


def _of_model(model: str) -> str:
    if _ADDRESS.match(model):
        raise ValueError("an address; expected a path or a name")
    kind, path = _KIND.fullmatch(model).groups()  # type: ignore[union-attr] # it matches any text
    return (kind or "") + from_project(from_home(path))


HomePath = Annotated[str, AfterValidator(from_home)]
"""A path; `~` is one's home."""
ModelPath = Annotated[str, AfterValidator(_of_model)]
"""The path of a model, or its name; a kind of backbone may stand in front."""
