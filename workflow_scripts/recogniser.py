"""Write one file with the learned tensors of a run and all that predicting needs."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.prediction.calibrate import calibrated, generated_scores, validation_scores
    from t2ipal.prediction.recogniser import write_recogniser
    from t2ipal.rows.data import TrainingFiles
    from t2ipal.rows.held_out import HeldOut
    from t2ipal.version import VERSION

    spec, files = snakemake.params.spec, snakemake.input
    rows = measured = None
    if files.validation:
        rows = validation_scores(files.model, files.validation[0], files.validation_images[0])
    elif files.images:
        generated = TrainingFiles(dict(files.items()), spec["shards"], held_out=HeldOut(*spec["held_out"]))
        rows = generated_scores(files.model, generated)
    if rows:
        measured = calibrated(rows)
        about = measured["calibration"]
        log.info(
            "calibrated on %d images: class-wise ECE %.2f %% (floor %.2f %%)",
            *(about["fitted_on"]["images"], about["ece"]["class_wise"], about["floor"]["class_wise"]),
        )
    write_recogniser(snakemake.output.model, files.model, spec["clip"], measured, VERSION)


if __name__ == "__main__":
    run(main, snakemake)
