"""Lists of the code that jobs run, with checksums: one input of a job in the place of fifty files.

Snakemake looks at each input of each job many times over, and nine of ten inputs were code. A list is in
.snakemake/code, as `sha256sum -c` reads it. It is written when a file in it changes, and compared by content.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from t2ipal.runtime.code_closure import code_of, parsed

FOLDER = Path(".snakemake/code")
MEMORY = FOLDER / "imports.json"


@cache
def code_list(root: str, starts: Sequence[str], alone: Sequence[str] = (), is_main: bool = True) -> str:
    """The path of the list of `starts`, of all that they import, and of the files `alone`; it is brought up to date.

    Args:
        root: the folder of the Snakefile.
        starts: Python files below it, the script first.
        alone: files whose imports are not followed, such as a method of one's own.
        is_main: not for the Snakemake inside a cluster's job, which gets the list of the one that submitted it.
    """
    key = hashlib.sha256("\n".join([*starts, "", *alone]).encode()).hexdigest()[:16]
    # In a folder of its own: of a folder that Snakemake has looked into, it takes a file that comes later for missing.
    path = FOLDER / f"{Path(starts[0]).stem}-{key}" / "sha256.txt"
    if is_main:
        _recall()
        _write(path, sorted({*code_of(root, *starts), *alone}), root)
        parsed.save(MEMORY)
    return str(path)


@cache
def _recall() -> None:
    parsed.load(MEMORY)


def _write(path: Path, files: list[str], root: str) -> None:
    """Write a list unless it is up to date.

    A new one is as old as its youngest file, since without .snakemake, where Snakemake notes contents, times decide.
    """
    text = "".join(f"{_checksum(file)}  {os.path.relpath(file, root)}\n" for file in files)
    is_new = not path.exists()
    if is_new or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        if is_new:
            youngest = max(os.stat(file).st_mtime_ns for file in files)
            os.utime(part, ns=(youngest, youngest))
        part.replace(path)


@cache
def _checksum(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
