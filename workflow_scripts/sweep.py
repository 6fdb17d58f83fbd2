"""Plot a metric over one setting of one method, with the paper's values."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import plot_sweep, save
    from t2ipal.metrics.records import read_records
    from t2ipal.plan.specs import SweepSpec
    from t2ipal.tables.paper import read_paper

    spec = SweepSpec.read(snakemake.params.spec)
    records = read_records(snakemake.input.metrics, [spec.metric])
    figure = plot_sweep(spec, records, read_paper(snakemake.input.paper))
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
