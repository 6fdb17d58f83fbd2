"""Which files of code a script runs: Python, and templates.

Snakemake compares inputs by content, but scripts by time alone (`rerun-triggers: code`), and never what they import.
Declared as input, code decides re-runs by its content.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATES = re.compile(r'\bPackageLoader\("([\w.]+)"')
"""How a module loads the templates of a package."""

MACHINERY = (
    "t2ipal/runtime/",
    "t2ipal/version.py",
    "t2ipal/file_lock.py",
    "t2ipal/validation.py",
    "t2ipal/findings.py",
    "t2ipal/backbones/kinds.py",
)
"""Files that decide no artifact: their edits rerun nothing. What a job gets was valid before it began; it depends on
its backbone's kind, not on the list of kinds.
"""


def code_of(root: str, *starts: str) -> list[str]:
    """The files below `root` that running the Python files `starts` may import, they included, sorted.

    Imports are followed statically, those inside functions too, those under `if TYPE_CHECKING:` not. A module with a
    `PackageLoader("a.package")` brings the files of that package's folder `templates` along. The machinery around the
    jobs is left out.
    """
    return list(_code_of(root, starts))


@cache
def _code_of(root: str, starts: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(_imports(root, path))
    return tuple(sorted(os.path.relpath(os.path.join(root, path)) for path in seen))


@cache
def _imports(root: str, path: str) -> tuple[str, ...]:
    if not path.endswith(".py"):
        return ()
    names, packages = parsed.of(root, path)
    modules = {file for name in names for file in _files(root, tuple(name))}
    return tuple(sorted(modules | {file for package in packages for file in _templates(root, package)}))


class Parsed:
    """What Python files import, kept in a file: to parse them is a quarter of a dry run.

    A file is parsed again when its content changes; all are, when this module does. A copy of the project parses none.
    """

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.is_new = False

    def load(self, memory: Path) -> None:
        """Take over what is kept in a file, if it can be read."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            kept = json.loads(memory.read_text(encoding="utf-8"))
            if kept["parser"] == _sha256(Path(__file__).read_bytes()):
                self.known = kept["files"]

    def save(self, memory: Path) -> None:
        """Keep what is new since `load`."""
        if self.is_new:
            memory.parent.mkdir(parents=True, exist_ok=True)
            part = memory.with_suffix(f".{os.getpid()}.part")
            kept = {"parser": _sha256(Path(__file__).read_bytes()), "files": self.known}
            part.write_text(json.dumps(kept), encoding="utf-8")
            part.replace(memory)
            self.is_new = False

    def of(self, root: str, path: str) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
        """The dotted names that a file below `root` imports, in parts, and the packages whose templates it loads."""
        content = Path(root, path).read_bytes()
        checksum, known = _sha256(content), self.known.get(path)
        if known is None or known[0] != checksum:
            self.is_new = True
            text = content.decode("utf-8")
            known = self.known[path] = [checksum, _names(text, Path(path).parent.parts), TEMPLATES.findall(text)]
        return known[1], known[2]


parsed = Parsed()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _names(text: str, package: tuple[str, ...]) -> list[tuple[str, ...]]:
    names: set[tuple[str, ...]] = set()
    for node in _import_statements(ast.parse(text).body):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names |= {module, *((*module, alias.name) for alias in node.names)}
    return sorted(names)


def _templates(root: str, package: str) -> Iterator[str]:
    """The templates of a package."""
    folder = Path(root, *package.split("."), "templates")
    yield from (os.path.relpath(file, root) for file in folder.rglob("*") if file.is_file())


def _import_statements(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The imports of a block and of the blocks in it. Expressions are not looked into: they hold none."""
    for statement in block:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield statement
        elif isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            yield from _import_statements(statement.orelse)
        else:
            for part in ("body", "handlers", "cases", "orelse", "finalbody"):
                yield from _import_statements(getattr(statement, part, []))


def _files(root: str, name: tuple[str, ...]) -> Iterator[str]:
    """The files behind a dotted name: the module, and the __init__.py of every package above it."""
    for end in range(1, len(name) + 1):
        module = "/".join(name[:end])
        for file in (f"{module}/__init__.py", f"{module}.py"):
            if not file.startswith(MACHINERY) and _is_file(root, file):
                yield file


@cache
def _is_file(root: str, file: str) -> bool:
    return os.path.isfile(os.path.join(root, file))
