"""Draw captions beside the images drawn from them."""

from typing import Any

from job import run

SHOWN = 24


def main(snakemake: Any) -> None:
    from t2ipal.examples import drawn_examples
    from t2ipal.gallery import contact_sheet
    from t2ipal.store import atomic

    spec = snakemake.params.spec
    rows = drawn_examples(snakemake.input.labelled, snakemake.input.images, spec["classes"], SHOWN, spec["seed"])
    with atomic(snakemake.output.png) as part:
        contact_sheet(rows).save(part, "PNG")


if __name__ == "__main__":
    run(main, snakemake)
