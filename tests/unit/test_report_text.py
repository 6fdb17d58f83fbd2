"""The text on the first page of the report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import Environment

TEXT = Path(__file__).resolve().parents[2] / "report/workflow.rst"


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize(
    ("seeds", "first", "says"),
    [
        ([1, 2, 3, 4, 5], 3, "the seeds 1, 2, 3, 4, 5 (sweeps and tables of variations: the first 3)."),
        ([1, 2], 3, "the seeds 1, 2."),
        ([7], None, "the seeds 7."),
    ],
)
def test_seeds_are_told_whole_and_apart(seeds: list[int], first: int | None, says: str, trimmed: bool) -> None:
    config = {"name": "micro", "seeds": seeds, "variation_seeds": first}
    template = Environment(trim_blocks=trimmed, lstrip_blocks=trimmed).from_string(TEXT.read_text(encoding="utf-8"))
    assert says in template.render(snakemake=SimpleNamespace(config=config))
