"""Write one file with the learned tensors of a run and all that predicting needs."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.prediction.calibrate import (
        calibrated,
        generated_scores,
        score_rule,
        uninformed,
        validation_scores,
    )
    from t2ipal.prediction.recogniser import write_recogniser
    from t2ipal.rows.data import TrainingFiles
    from t2ipal.rows.held_out import HeldOut
    from t2ipal.store import read_header
    from t2ipal.version import VERSION

    spec, files = snakemake.params.spec, snakemake.input
    rows = measured = None
    if files.validation:
        rows = validation_scores(files.model, files.validation[0], files.validation_images[0])
    elif files.images:
        generated = TrainingFiles(dict(files.items()), spec["shards"], held_out=HeldOut(*spec["held_out"]))
        rows = generated_scores(files.model, generated)
    header = read_header(files.model)
    rule = score_rule(spec["scores"], spec["score_scale"], header["classes"], len(header["seeds"]), rows)
    if rows:
        measured = calibrated(rows, rule)
        about = measured["calibration"]
        log.info(
            "calibrated on %d images: class-wise ECE %.2f %% (floor %.2f %%)",
            *(about["fitted_on"]["images"], about["ece"]["class_wise"], about["floor"]["class_wise"]),
        )
        if same := uninformed({**header, **measured}):
            log.warning("the scores of %s say nothing of these images: one probability for all photos", ", ".join(same))
    write_recogniser(snakemake.output.model, files.model, spec["clip"], measured, VERSION, rule)


if __name__ == "__main__":
    run(main, snakemake)
