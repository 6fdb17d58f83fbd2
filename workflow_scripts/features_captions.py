"""Encode the captions of a pool."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.backbones import load_backbone
    from t2ipal.device import pick_device
    from t2ipal.features.extract import extract_captions

    backbone = load_backbone(snakemake.params.spec["model"], pick_device())
    with progress("captions", "captions") as report:
        extract_captions(
            snakemake.input.captions,
            snakemake.output.features,
            backbone,
            batch=snakemake.resources.batch,
            store=snakemake.params.spec["store"],
            on_progress=report,
        )


if __name__ == "__main__":
    run(main, snakemake)
