"""What `make reproduce` says at its end: Table 1, where all is, what was drawn. `summary.py results/{name}`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from t2ipal.images.tally import tally_line


def summary(results: Path) -> str:
    """Table 1 as it was written, and the paths of tables, figures and report."""
    table = (results / "tables/table1.txt").read_text(encoding="utf-8")
    places = {
        "Tables": sorted(results.glob("tables/*.html")),
        "Figures": sorted(results.glob("figures/*.png")),
        "Report": sorted(results.glob("report.html")),
    }
    lines = [f"{name + ':':9}{path}" for name, paths in places.items() for path in paths]
    drawn = sorted(results.glob("report/drawn-*.csv"))
    lines += [f"{'Images:':9}{tally_line(path.read_text(encoding='utf-8'))} ({path})" for path in drawn]
    return "\n".join([table, *lines])


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])))
