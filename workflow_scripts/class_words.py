"""List the words of each class, and how many captions match."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log

SHOWN = 40


def main(snakemake: Any) -> None:
    from t2ipal.captions.class_words import class_words, count_captions, lines, warnings, words_table
    from t2ipal.store import read_parquet, write_parquet

    labels = read_parquet(snakemake.input.labelled, ["positive"])["positive"].to_pylist()
    rows = class_words(snakemake.params.spec["classes"], count_captions(labels))
    for line in lines(rows, more=False)[:SHOWN]:
        log.info("%s", line)
    if len(rows) > SHOWN:
        log.info("and %d more classes: see %s", len(rows) - SHOWN, snakemake.output.words)
    for warning in warnings(rows):
        log.warning("warning: %s", warning)
    write_parquet(words_table(rows), snakemake.output.words)


if __name__ == "__main__":
    run(main, snakemake)
