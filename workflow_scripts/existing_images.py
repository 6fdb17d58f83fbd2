"""Read images of captions that exist already: one for each caption of a shard, or the note that there is none."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    from t2ipal.errors import UserError
    from t2ipal.images.existing import existing_shard, shown_counts
    from t2ipal.images.flagged import write_flagged
    from t2ipal.images.generate import read_shard, shard_of
    from t2ipal.sources.base import source_of

    spec, sample = snakemake.params.spec, int(snakemake.wildcards.sample)
    source, captions = source_of(spec["source"]), dict(read_shard(snakemake.input.captions, 0, 1))
    tied = source.tie(captions)
    if all(number != sample for _, number in tied.images):
        notes = "; ".join(tied.notes()) or "there are no images"
        raise UserError(f"text_to_image.{snakemake.wildcards.t2i}: no image {sample} of any caption ({notes})")
    wanted = [key for key in captions if shard_of(key, spec["shards"]) == int(snakemake.wildcards.shard)]
    with progress(f"sample {sample}", "images") as report:
        counts = existing_shard(
            wanted,
            tied.images,
            snakemake.output.images,
            sample=sample,
            store_size=source.store_size,
            metadata={"source": spec["source"]},
            on_progress=report,
        )
    write_flagged(snakemake.output.images, snakemake.output.flagged)
    for line in (*shown_counts(counts), *tied.notes()):
        report.warn(line)


if __name__ == "__main__":
    run(main, snakemake)
