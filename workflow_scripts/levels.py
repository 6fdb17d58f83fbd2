"""Plot a metric over the share of known labels (Table 2) or over shots (Table 4), the paper's curves below."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import plot_levels, save
    from t2ipal.metrics.records import read_records
    from t2ipal.plan.specs import LevelsSpec
    from t2ipal.tables.paper import read_paper

    spec = LevelsSpec.read(snakemake.params.spec)
    records = read_records(snakemake.input.metrics, spec.metrics)
    figure = plot_levels(spec, records, read_paper(snakemake.input.paper))
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
