"""Models that a config needs, whether they are there, and where to get what a check finds missing.

`resources/data_sources.csv` lists every download: what it is, its source, its size and its licence.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2ipal import backbones
from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.images.manifest import check_path
from t2ipal.resource_files import resource

PIPELINE = "stable-diffusion-v1-5"
"""Row of the text-to-image model that the paper used."""

TABLE = resource("data_sources.csv")


@dataclass(frozen=True)
class Download:
    """A row of the table: something to fetch.

    Attributes:
        bytes: size of the download, round if its page is no more precise; None if it gives none.
        how: what to do with it, and the folders and files that it then has.
    """

    name: str
    what: str
    url: str
    bytes: int | None
    licence: str
    how: str

    @property
    def size(self) -> str:
        """The size for people: "13.5 GB", or "size not stated"."""
        if self.bytes is None:
            return "size not stated"
        return f"{self.bytes / 1e9:.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.0f} MB"

    @property
    def text(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.url} ({self.size}; licence: {self.licence}); {self.how}"


def load_downloads(path: Path = TABLE) -> dict[str, Download]:
    """The table by name.

    Raises:
        UserError: no table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: no such table of data sources") from error
    return {row["name"]: Download(**{**row, "bytes": int(row["bytes"]) if row["bytes"] else None}) for row in rows}


def check_model(kind: str, key: str, model: str, revision: str | None = None) -> Finding:
    """Finding on a model: a path is looked at and compared with its manifest, a name is looked for in its cache.

    Args:
        kind: "clip" or "text_to_image".
        revision: of a model on the Hugging Face hub.
    """
    if kind == "clip":
        return backbones.check(key, model)
    path = Path(model)
    if not path.exists() and model.count("/") < 2 and not path.suffix:
        return Finding(key, f"{model}: {_cached_pipeline(model, revision)}", download=PIPELINE)
    return check_path(key, path, PIPELINE)


def _cached_pipeline(name: str, revision: str | None) -> str:
    """Whether a pipeline is in the cache of the Hugging Face hub."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, "model_index.json", revision=revision)
    if isinstance(cached, str):
        return f"{Path(cached).parent}: in the cache"
    return "fetched when it is needed; without a network, put its folder elsewhere and give that as model"


def report(findings: Sequence[Finding], downloads: Mapping[str, Download]) -> str:
    """All findings as text, what is missing first with where to get it, each download once.

    A download is shown below the first entry that lacks it.
    """
    lines, shown = [], set()
    for finding in sorted(findings, key=lambda item: not item.missing):
        lines.append(f"{'MISSING' if finding.missing else 'ok     '} {finding.key}: {finding.text}")
        if finding.missing and finding.download and finding.download not in shown:
            shown.add(finding.download)
            lines.append(f"        get it: {downloads[finding.download].text}")
    return "\n".join(lines)
