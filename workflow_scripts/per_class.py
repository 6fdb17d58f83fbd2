"""Plot the average precision of each class, by method."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import plot_per_class, save
    from t2ipal.metrics.records import read_records
    from t2ipal.plan.specs import PerClassSpec

    figure = plot_per_class(PerClassSpec.read(snakemake.params.spec), read_records(snakemake.input.metrics))
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
