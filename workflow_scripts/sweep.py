"""Draw mAP over one setting of one method, the paper's values beside it."""

from typing import Any

from job import run

PAPER_NAMES = {"samples": "images_per_caption"}


def quoted(paper: dict[tuple[str, str, str, str], float], spec: dict[str, Any]) -> dict[float, float]:
    """What the paper's text quotes of its figure of this name, such as "fig3a": value of the setting -> mAP."""
    start = (
        spec["name"].replace("fig", "f"),
        (spec["dataset"]["paper"] or "").lower(),
        spec["method"]["title"].lower(),
    )
    points = {key[3].partition("="): mean_ap for key, mean_ap in paper.items() if key[:3] == start}
    names = (spec["key"], PAPER_NAMES.get(spec["key"]))
    return {float(value): mean_ap for (name, _, value), mean_ap in points.items() if name in names}


def main(snakemake: Any) -> None:
    from t2ipal.figures import save, sweep
    from t2ipal.metrics.records import by_run, read_records, run_of
    from t2ipal.tables import read_paper

    spec = snakemake.params.spec
    runs = by_run(read_records(snakemake.input.metrics))
    data, name = spec["dataset"], f"figure {spec['name']}"
    figure = sweep(
        spec["key"],
        [(value, run_of(runs, (*key, 0), name)) for value, key in spec["points"]],
        spec["method"]["title"],
        data["title"],
        paper=quoted(read_paper(snakemake.input.paper), spec),
        paper_dataset=data["paper"] or "",
        references={row["title"]: run_of(runs, (data["name"], row["name"], "base", 0), name) for row in spec["others"]},
        chosen=spec["base"],
    )
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
