"""Train one method: all seeds together, one label level after the other."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log, progress


def main(snakemake: Any) -> None:
    from t2ipal import methods
    from t2ipal.backbones import load_backbone
    from t2ipal.device import pick_device, pick_dtype
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.methods.model_files import join_levels, write_model
    from t2ipal.protocols.known import KnownLabels
    from t2ipal.rows.data import TrainingFiles, read_training_data
    from t2ipal.rows.held_out import HeldOut
    from t2ipal.rows.synthetic import without_low_scores
    from t2ipal.store import write_parquet
    from t2ipal.training.history import history_table
    from t2ipal.training.train import fit

    spec, files = snakemake.params.spec, snakemake.input
    method, backbone = methods.get(spec["method"]), load_backbone(spec["clip"], pick_device())
    settings = method.Settings(**spec["settings"])
    held_out = HeldOut(*spec["held_out"]) if "held_out" in spec else None
    if held_out:
        log.info("captions: %d %% held out, whose images calibrate the recogniser", held_out.percent)
    data = read_training_data(
        TrainingFiles(dict(files.items()), spec["shards"], method.image_fields(settings), held_out),
        method.kinds(settings),
        len(spec["classes"]),
        MemoryBudget.of_job(snakemake.resources.get("mem_mb"), pick_device()),
    )
    if quantile := getattr(settings, "min_score_quantile", 0):
        data = without_low_scores(data, quantile, settings.global_feature)
    if data.mapped:
        log.info("features: more than half of the job's mem_mb, so in a scratch file of TMPDIR")
    for name, count in data.dropped.items():
        if count:
            log.warning("%s: %d left out", name, count)
    known = KnownLabels.of_job(spec["protocol"], files.protocol, spec["classes"], spec["novel"])
    learned, history = [], []
    with progress(f"{spec['method']} {snakemake.wildcards.variant}", "epochs") as report:
        for done, level in enumerate(spec["levels"]):

            def on_epoch(epoch: int, epochs: int, means: dict[str, float], done: int = done) -> None:
                log.debug("epoch %d of %d: %s", epoch, epochs, means)
                report(done * epochs + epoch, len(spec["levels"]) * epochs)

            rows = known.reveal(data, level, spec["seeds"])
            tensors, epochs = fit(method, settings, backbone, spec["classes"], rows, spec["seeds"], on_epoch)
            learned.append(tensors)
            history += [{"level": level, **row} for row in epochs]
    header = {name: spec[name] for name in ("seeds", "levels")} | {"classes": spec["novel"] or spec["classes"]}
    write_parquet(history_table(history), snakemake.output.history)
    dtype = pick_dtype(getattr(settings, "dtype", "float32"), pick_device())
    about = {**header, "clip": backbone.name, "clip_sha256": backbone.sha256, "encoder": backbone.kind}
    about["dtype"] = str(dtype)
    write_model(snakemake.output.model, join_levels(learned), spec["method"], spec["settings"], **about)


if __name__ == "__main__":
    run(main, snakemake)
