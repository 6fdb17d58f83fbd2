"""Encode the prompt templates with each class name."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.backbones import load_backbone
    from t2ipal.captions.templates import templates
    from t2ipal.device import pick_device
    from t2ipal.features.extract import extract_texts

    spec = snakemake.params.spec
    texts = [(row.template_id, row.text) for row in templates(spec["classes"], snakemake.input.patterns)]
    with progress("templates", "texts") as report:
        extract_texts(
            texts,
            snakemake.output.features,
            load_backbone(spec["model"], pick_device()),
            batch=snakemake.resources.batch,
            store=spec["store"],
            on_progress=report,
        )


if __name__ == "__main__":
    run(main, snakemake)
