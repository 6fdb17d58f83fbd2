"""Read the captions of a pool, and list rejects."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.sources.base import source_of
    from t2ipal.sources.caption_rows import write_captions

    spec, output = snakemake.params.spec, snakemake.output
    rows = source_of(spec["pool"]).read(spec["seed"])
    with progress(f"pool {snakemake.wildcards.pool}", "captions") as report:
        reasons = write_captions(rows, output.captions, output.rejects, report)
    for reason, count in reasons.most_common():
        report.warn(f"{count:,} left out: {reason}")


if __name__ == "__main__":
    run(main, snakemake)
