"""Draw the losses of the methods that train, over the epochs."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.figures import save, training_curves
    from t2ipal.store import read_parquet
    from t2ipal.tables import MethodRow

    spec = snakemake.params.spec
    histories = [read_parquet(path).to_pylist() for path in snakemake.input.histories]
    runs = [(MethodRow(**row), history) for row, history in zip(spec["methods"], histories, strict=True)]
    save(training_curves(runs, spec["dataset"]["title"]), [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
