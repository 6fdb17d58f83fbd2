"""Show captions beside their generated images, and count images that were retried or left out."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log

SHOWN = 24


def main(snakemake: Any) -> None:
    from t2ipal.atomic import atomic
    from t2ipal.images.tally import tally, tally_csv, tally_line
    from t2ipal.pages.examples import caption_examples
    from t2ipal.pages.sheets import contact_sheet
    from t2ipal.store import write_text

    spec = snakemake.params.spec
    rows = caption_examples(snakemake.input.labelled, snakemake.input.images, spec["classes"], SHOWN, spec["seed"])
    with atomic(snakemake.output.png) as part:
        contact_sheet(rows).save(part, "PNG")
    counts = tally_csv(tally(snakemake.input.images, spec["seed"]))
    write_text(snakemake.output.counts, counts)
    log.info("%s: %s", snakemake.wildcards.dataset, tally_line(counts))


if __name__ == "__main__":
    run(main, snakemake)
