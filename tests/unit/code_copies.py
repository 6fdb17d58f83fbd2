"""Copies of the project's code that a test may change."""

import shutil
from pathlib import Path


def copy_code(source: Path, target: Path, *left_out: Path) -> None:
    """Copy a folder with its compiled modules: without them, the first start in the copy compiles hundreds."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        # a process that compiles writes a file of another name first, which is gone in a moment
        compiled = Path(folder).name == "__pycache__"
        return {name for name in names if Path(folder, name) in left_out or (compiled and not name.endswith(".pyc"))}

    shutil.copytree(source, target, ignore=ignored)
