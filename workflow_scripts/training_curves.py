"""Plot the losses of the methods that train, over the epochs."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import plot_curves, save
    from t2ipal.plan.specs import CurvesSpec
    from t2ipal.store import read_parquet

    histories = [read_parquet(path).to_pylist() for path in snakemake.input.histories]
    figure = plot_curves(CurvesSpec.read(snakemake.params.spec), histories)
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
