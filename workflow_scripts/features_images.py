"""Encode the images of a parquet file."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.backbones import load_backbone
    from t2ipal.device import pick_device
    from t2ipal.features.extract import extract_images

    clip = snakemake.params.spec["clip"]
    with progress(snakemake.rule, "images") as report:
        extract_images(
            snakemake.input.images,
            snakemake.output.features,
            load_backbone(clip["model"], pick_device()),
            image_size=clip["image_size"],
            crop=clip["crop"],
            batch=snakemake.resources.batch,
            workers=snakemake.threads,
            fields=snakemake.params.made["fields"],
            store=clip["store"],
            on_progress=report,
        )


if __name__ == "__main__":
    run(main, snakemake)
