"""List the captions of a pool that have a class of any data set: those to generate, each once."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.captions.files import write_selected

    count = write_selected(snakemake.input.labelled, snakemake.output.selected)
    log.info("pool %s: %s captions to generate images from", snakemake.wildcards.pool, f"{count:,}")


if __name__ == "__main__":
    run(main, snakemake)
