"""Where the files are that come with the project: class lists, templates, the paper's numbers, the zoo's weights."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def resources_folder() -> Path:
    """The folder `resources`: a wheel has it inside the package, a checkout next to it."""
    packed = PACKAGE / "resources"
    return packed if packed.is_dir() else PACKAGE.parent / "resources"


def resource(name: str) -> Path:
    """The path of a file or folder of `resources`, such as "classes/coco.yaml"."""
    return resources_folder() / name
