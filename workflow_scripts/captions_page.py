"""Write a page of captions with their nouns marked, and of some rejected ones."""

from typing import Any

from t2ipal.runtime.job import run

SHOWN = 60


def main(snakemake: Any) -> None:
    from t2ipal.pages.captions import captions_page
    from t2ipal.pages.examples import sample_rows
    from t2ipal.store import read_parquet, write_text

    spec = snakemake.params.spec
    kept, gone = read_parquet(snakemake.input.labelled), read_parquet(snakemake.input.rejects)
    page = captions_page(
        sample_rows(kept, "caption_id", SHOWN, spec["seed"]),
        spec["classes"],
        sample_rows(gone, "caption_id", SHOWN // 3, spec["seed"]),
        {"captions with a class": kept.num_rows, "without": gone.num_rows},
    )
    write_text(snakemake.output.html, page)


if __name__ == "__main__":
    run(main, snakemake)
