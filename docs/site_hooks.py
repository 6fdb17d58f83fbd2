"""The site of `make docs`: pages link to files of the whole checkout, so these become pages and files of it too."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md"}
"""Pages outside docs/, by their place in the site."""
FILES = "files"
"""The folder of other files in the site."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)(?=[)#])")


def place_of(path: str) -> str:
    """Where a file of the checkout is in the site."""
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{FILES}/{path}"


def moved(text: str, page: str) -> str:
    """A page whose links lead to the places in the site.

    Args:
        text: Markdown.
        page: its path in the checkout.
    """

    def target(link: re.Match[str]) -> str:
        path = os.path.normpath(os.path.join(os.path.dirname(page), link[1]))
        return os.path.relpath(place_of(path), os.path.dirname(place_of(page)) or ".")

    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if number % 2 else LINK.sub(target, part) for number, part in enumerate(parts))


def on_config(config: Any) -> Any:
    """Pages that the navigation does not name are at its end."""
    named = set(re.findall(r"[\w/]+\.md", str(config.nav)))
    more = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name not in named)
    config.nav += [{"More": more}] if more else []
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages outside docs/, and the files that pages link to."""
    from mkdocs.structure.files import File

    pages = [*PAGES, *(f"docs/{file.src_uri}" for file in files if file.src_uri.endswith(".md"))]
    linked: set[str] = set()
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        linked |= {os.path.normpath(os.path.join(os.path.dirname(page), link)) for link in LINK.findall(text)}
    for path in [*PAGES, *sorted(linked - set(PAGES))]:
        place = place_of(path)
        if (path in PAGES or place.startswith(f"{FILES}/")) and (ROOT / path).is_file():
            files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(text: str, page: Any, **rest: Any) -> str:
    """Links as the site has them."""
    places = {place: path for path, place in PAGES.items()}
    return moved(text, places.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
