"""What `make reproduce` says at its end: Table 1, and where everything is. `summary.py results/{name}`."""

from __future__ import annotations

import sys
from pathlib import Path


def summary(results: Path) -> str:
    """Table 1 as it was written, and the paths of tables, figures and report."""
    table = (results / "tables/table1.txt").read_text(encoding="utf-8")
    places = {
        "Tables": sorted(results.glob("tables/*.html")),
        "Figures": sorted(results.glob("figures/*.png")),
        "Report": sorted(results.glob("report.html")),
    }
    lines = [f"{name + ':':9}{path}" for name, paths in places.items() for path in paths]
    return "\n".join([table, *lines])


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])))
