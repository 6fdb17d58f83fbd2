"""Generate one image for each caption of a shard."""

import os
from pathlib import Path
from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import progress


def main(snakemake: Any) -> None:
    # Shards share compiled code in the results folder, the fourth parent of images/{pool}/{t2i}/sample{k}/shard.
    results = Path(snakemake.output.images).resolve().parents[4]
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(results / "cache/inductor"))

    import torch

    from t2ipal.images.flagged import write_flagged
    from t2ipal.images.generate import generate_shard, read_shard
    from t2ipal.images.pipeline import load_pipeline
    from t2ipal.images.settings import COMPILE, GenerationSettings
    from t2ipal.images.several import generate_on_several

    spec, resources = snakemake.params.spec, snakemake.resources
    captions = read_shard(snakemake.input.captions, int(snakemake.wildcards.shard), spec["shards"])
    settings = GenerationSettings(**spec["settings"], batch=resources.batch, compile=COMPILE[resources.compile])
    devices = min(torch.cuda.device_count(), resources.get("gpu", 1), -(-len(captions) // settings.batch))
    work = {"sample": int(snakemake.wildcards.sample), "seed": spec["seed"]}
    with progress(f"sample {work['sample']}", "images") as report:
        if devices > 1:
            counts = generate_on_several(
                settings, captions, snakemake.output.images, processes=devices, on_progress=report, **work
            )
        else:
            generator = load_pipeline(settings)
            counts = generate_shard(generator, captions, snakemake.output.images, on_progress=report, **work)
    write_flagged(snakemake.output.images, snakemake.output.flagged)
    if counts.retried:
        report.warn(f"{counts.retried} of {counts.rows} images generated again with their next seed")
    if counts.cut_prompts:
        report.warn(f"{counts.cut_prompts} of {counts.rows} prompts cut at the model's length")
    for name, count in counts.flags.items():
        report.warn(f"{count} of {counts.rows} images are {name}, retries included; training leaves them out")


if __name__ == "__main__":
    run(main, snakemake)
