"""Draw one image for each caption of a shard."""

from typing import Any

from job import progress, run


def main(snakemake: Any) -> None:
    from t2ipal.images.flagged import write_flagged
    from t2ipal.images.generate import draw_shard, read_shard
    from t2ipal.images.pipeline import load_pipeline
    from t2ipal.images.settings import DrawSettings

    spec, sample = snakemake.params.spec, int(snakemake.wildcards.sample)
    captions = read_shard(snakemake.input.captions, int(snakemake.wildcards.shard), spec["shards"])
    painter = load_pipeline(DrawSettings(**spec["draw"], batch=snakemake.resources.batch))
    with progress(f"sample {sample}", "images") as report:
        counts = draw_shard(
            painter, captions, snakemake.output.images, sample=sample, seed=spec["seed"], on_progress=report
        )
    write_flagged(snakemake.output.images, snakemake.output.flagged)
    if counts.redrawn:
        report.warn(f"{counts.redrawn} of {counts.rows} images drawn again with their next seed")
    if counts.cut_prompts:
        report.warn(f"{counts.cut_prompts} of {counts.rows} prompts cut at the model's length")
    for name, count in counts.flags.items():
        report.warn(f"{count} of {counts.rows} images are {name}, redraws included; training leaves them out")


if __name__ == "__main__":
    run(main, snakemake)
