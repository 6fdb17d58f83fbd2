"""Draw mAP over one setting of one method, the paper's values beside it."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import save, sweep
    from t2ipal.metrics.records import by_run, read_records, run_of
    from t2ipal.tables.paper import quoted, read_paper

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
