"""Write one file with the learned tensors of a run and all that predicting needs."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.prediction.recogniser import threshold_of, write_recogniser
    from t2ipal.version import VERSION

    spec, files = snakemake.params.spec, snakemake.input
    threshold = None
    if files.validation:
        threshold = threshold_of(files.model, files.validation[0], files.validation_images[0])
        log.info("threshold of the best OF1 on validation images: %.4g", threshold)
    write_recogniser(snakemake.output.model, files.model, spec["clip"], threshold, VERSION)


if __name__ == "__main__":
    run(main, snakemake)
