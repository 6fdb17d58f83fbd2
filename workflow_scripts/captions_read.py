"""Read the captions of a pool, and list what is none."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.captions.files import write_captions
    from t2ipal.captions.readers import read_captions

    spec, output = snakemake.params.spec, snakemake.output
    with progress(f"pool {snakemake.wildcards.pool}", "captions") as report:
        reasons = write_captions(read_captions(spec["pool"], spec["seed"]), output.captions, output.rejects, report)
    for reason, count in reasons.most_common():
        report.warn(f"{count:,} left out: {reason}")


if __name__ == "__main__":
    run(main, snakemake)
