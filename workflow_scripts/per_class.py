"""Draw the average precision of each class, by method."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import per_class, save
    from t2ipal.metrics.records import by_run, read_records, run_of
    from t2ipal.tables import MethodRow

    spec = snakemake.params.spec
    runs = by_run(read_records(snakemake.input.metrics))
    data = spec["dataset"]
    methods = [
        (MethodRow(**row), run_of(runs, (data["name"], row["name"], "base", 0), "per-class figure"))
        for row in spec["methods"]
    ]
    figure = per_class(spec["classes"], methods, data["title"])
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
