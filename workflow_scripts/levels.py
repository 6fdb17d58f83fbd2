"""Draw mAP over the share of known labels (Table 2) or over shots (Table 4), the paper's curves below."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import Curve, levels, save
    from t2ipal.metrics.records import by_run, read_records, run_of
    from t2ipal.tables import read_paper

    spec, data = snakemake.params.spec, snakemake.params.spec["dataset"]
    runs, printed = by_run(read_records(snakemake.input.metrics)), read_paper(snakemake.input.paper)
    curves = []
    for row in spec["rows"]:
        points, paper = [], {}
        for cell in row["cells"].values():
            level = cell["level"]
            points.append((level, run_of(runs, (*cell["run"], level), spec["title"])))
            key = tuple(part.lower() for part in cell["paper"] or ())
            if key in printed:
                paper[level] = printed[key]
        role = "fused" if "+" in row["key"] else "label" if any(level for level, _ in points) else "zero-shot"
        partner = row["title"].rpartition("+")[2] if role == "fused" else None
        curves.append(Curve(row["title"], role, points, partner, paper))
    figure = levels(spec["axis"], curves, data["title"], data["paper"] or "", spec["title"])
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
