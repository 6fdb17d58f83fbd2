"""Predict the classes of a folder of photos: tables, and a page of the photos."""

from pathlib import Path
from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.prediction.files import Counts, written
    from t2ipal.prediction.gallery import SIDE, Gallery
    from t2ipal.prediction.photos import find_photos
    from t2ipal.prediction.predict import Recogniser

    spec, output = snakemake.params.spec, snakemake.output
    method, photos, counts = snakemake.wildcards.method, find_photos([spec["photos"]]), Counts()
    recogniser = Recogniser.load(snakemake.input.model, trust_method="." in method)  # the config names it
    with (
        Gallery(output.html, recogniser.header, len(photos), spec["top"], spec["title"]) as gallery,
        progress(f"{method} {snakemake.wildcards.dataset}", "photos") as report,
    ):
        predictions = recogniser.predict(
            photos, workers=snakemake.threads, thumbnails=SIDE, maps=spec["top"], on_progress=report
        )
        files = {"parquet": output.parquet, "table": output.csv, "calibrated": recogniser.calibrated}
        for prediction in written(predictions, recogniser.classes, spec["top"], **files):
            counts.add(prediction)
            gallery.add(prediction)
        gallery.write()
    Path(output.thumbnails).mkdir(exist_ok=True)
    if counts.problems:
        report.warn(counts.text())


if __name__ == "__main__":
    run(main, snakemake)
