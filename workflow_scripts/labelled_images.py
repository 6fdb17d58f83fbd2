"""Read a data set's labelled images, and list what is none."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.classes import load_classes
    from t2ipal.datasets import write_image_set

    spec = snakemake.params.spec
    with progress(f"{snakemake.wildcards.part} images", "images") as report:
        counts = write_image_set(
            spec["source"],
            load_classes(spec["classes"]),
            snakemake.output.images,
            snakemake.output.rejects,
            role=spec["part"],
            seed=spec["seed"],
            on_progress=report,
        )
    for mode, count in counts.converted.items():
        report.warn(f"{count} of {counts.read} images converted to RGB from {mode}")
    if counts.rejects:
        report.warn(f"{counts.rejects} of {counts.read} images rejected: see {snakemake.output.rejects}")


if __name__ == "__main__":
    run(main, snakemake)
