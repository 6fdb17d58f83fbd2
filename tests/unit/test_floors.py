"""The house has floors: a module imports from its own floor or lower ones, and no imports go in a circle.

Imports inside functions count, those under `if TYPE_CHECKING:` do not. docs/architecture.md draws the floors.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest
from docs_pages import ROOT

FLOORS = (
    "errors seeds device cpu version resource_files user_paths file_lock listings names plurals",
    "validation yaml_files text_files atomic marks store artifacts checksums classes findings results runtime",
    "images",
    "micro",
    "sources",
    "own_example captions composed",
    "backbones",
    "features",
    "rows",
    "protocols",
    "models",
    "methods",
    "metrics",
    "training audit",
    "config",
    "plan",
    "tables figures pages",
    "prediction",
    "costs label_check data_check rehearsal export micro.zoo fetch",
    "cli __main__",
)
"""Rooms from the lowest floor to the highest: top-level modules and packages, and the zoo, which trains the micro
world's models with all that lies above the micro world itself."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms.split()}


def room_of(module: str) -> str:
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if ".".join(parts[:2]) in HEIGHT else parts[0]


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The modules of the package that each of them imports."""
    graph = grimp.build_graph("t2ipal", exclude_type_checking_imports=True)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules if module != "t2ipal"}


def test_every_room_has_a_floor(imports: dict[str, set[str]]) -> None:
    assert {room_of(module) for module in imports} == set(HEIGHT)


def test_no_import_goes_up(imports: dict[str, set[str]]) -> None:
    upward = [
        f"{module} -> {imported}"
        for module, modules in imports.items()
        for imported in modules - {"t2ipal"}
        if HEIGHT[room_of(imported)] > HEIGHT[room_of(module)]
    ]
    assert upward == []


def test_no_imports_go_in_a_circle(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_page_shows_the_floors() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", page, re.MULTILINE)
    shown = [" ".join(re.findall(r"`([\w.]+)`", rooms)) for _, rooms in sorted(rows, key=lambda row: int(row[0]))]
    assert shown == list(FLOORS)
