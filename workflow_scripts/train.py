"""Train one method: all seeds together, one label level after the other."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log, progress


def main(snakemake: Any) -> None:
    from t2ipal import methods
    from t2ipal.backbones import load_backbone
    from t2ipal.device import pick_device
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.store import write_parquet
    from t2ipal.training import protocols, runs
    from t2ipal.training.train import fit

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
        MemoryBudget.of_job(snakemake.resources.get("mem_mb"), pick_device()),
    )
    if data.mapped:
        log.info("features: more than half of the job's mem_mb, so in a scratch file of TMPDIR")
    for name, count in data.dropped.items():
        if count:
            log.warning("%s: %d left out", name, count)
    method, backbone = methods.get(spec["method"]), load_backbone(spec["clip"], pick_device())
    settings = method.Settings(**spec["settings"])
    known = protocols.Known.read(spec["protocol"], files.protocol, spec["classes"], spec["novel"])
    learned, history = [], []
    with progress(f"{spec['method']} {snakemake.wildcards.variant}", "epochs") as report:
        for place, level in enumerate(spec["levels"]):

            def on_epoch(epoch: int, epochs: int, means: dict[str, float], place: int = place) -> None:
                log.debug("epoch %d of %d: %s", epoch, epochs, means)
                report(place * epochs + epoch, len(spec["levels"]) * epochs)

            rows = known.of(data, level, spec["seeds"])
            tensors, epochs = fit(method, settings, backbone, spec["classes"], rows, spec["seeds"], on_epoch)
            learned.append(tensors)
            history += [{"level": level, **row} for row in epochs]
    header = {name: spec[name] for name in ("seeds", "levels")} | {"classes": spec["novel"] or spec["classes"]}
    write_parquet(runs.history_table(history), snakemake.output.history)
    about = {**header, "clip": backbone.name, "clip_sha256": backbone.sha256}
    runs.write_model(snakemake.output.model, runs.joined(learned), spec["method"], spec["settings"], **about)


if __name__ == "__main__":
    run(main, snakemake)
