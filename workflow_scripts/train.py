"""Train one method, all seeds together."""

from typing import Any

from job import log, progress, run


def main(snakemake: Any) -> None:
    from t2ipal import methods, runs
    from t2ipal.features.clip_models import load_clip
    from t2ipal.store import write_parquet
    from t2ipal.train import fit, pick_device

    spec, files = snakemake.params.spec, snakemake.input
    shards, images = spec["shards"], files.images
    data = runs.load_training_data(
        runs.TrainingFiles(
            labelled=files.labelled,
            captions=files.captions,
            images=[images[start : start + shards] for start in range(0, len(images), shards)],
            flagged=files.flagged,
            templates=files.templates,
            train=files.train,
            train_images=files.train_images,
        ),
        len(spec["classes"]),
    )
    for name, count in data.dropped.items():
        if count:
            log.warning("%s: %d left out", name, count)
    method = methods.get(spec["method"])
    clip = load_clip(spec["clip"], pick_device())
    with progress(f"{spec['method']} {snakemake.wildcards.variant}", "epochs") as report:

        def on_epoch(epoch: int, epochs: int, means: dict[str, float]) -> None:
            log.debug("epoch %d of %d: %s", epoch, epochs, means)
            report(epoch, epochs)

        settings = method.Settings(**spec["settings"])
        tensors, history = fit(method, settings, clip, spec["classes"], data, spec["seeds"], on_epoch)
    header = {"classes": spec["classes"], "seeds": spec["seeds"], "clip": clip.name, "clip_sha256": clip.sha256}
    write_parquet(runs.history_table(history), snakemake.output.history)
    runs.write_model(snakemake.output.model, tensors, spec["method"], spec["settings"], **header)


if __name__ == "__main__":
    run(main, snakemake)
