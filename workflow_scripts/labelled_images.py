"""Read the labelled images of a data set, and list rejects."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.classes import load_classes
    from t2ipal.sources.base import source_of
    from t2ipal.sources.image_rows import write_image_set

    spec, output = snakemake.params.spec, snakemake.output
    classes = load_classes(spec["classes"])
    with progress(f"{snakemake.wildcards.part} images", "images") as report:
        rows = source_of(spec["source"]).read(classes, spec["part"], spec["seed"])
        files = (output.images, output.rejects)
        counts = write_image_set(rows, classes.names, *files, state=spec["state"], on_progress=report)
    for mode, count in counts.converted.items():
        report.warn(f"{count} of {counts.read} images converted to RGB from {mode}")
    if counts.rejects:
        report.warn(f"{counts.rejects} of {counts.read} images rejected: see {output.rejects}")


if __name__ == "__main__":
    run(main, snakemake)
