"""Try settings of a method on validation images, and report the best."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log, progress


def main(snakemake: Any) -> None:
    import pyarrow as pa

    from t2ipal import methods
    from t2ipal.backbones import load_backbone
    from t2ipal.device import pick_device
    from t2ipal.features.cache import load_image_features
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.protocols.known import KnownLabels
    from t2ipal.rows.data import TrainingFiles, read_training_data
    from t2ipal.rows.join import read_image_labels
    from t2ipal.store import write_parquet
    from t2ipal.training.search import try_all, try_settings

    spec, files = snakemake.params.spec, snakemake.input
    budget = MemoryBudget.of_job(snakemake.resources.get("mem_mb"))
    inputs = TrainingFiles(dict(files.items()), spec["shards"])
    data = read_training_data(inputs, spec["kinds"], len(spec["classes"]), budget)
    known = KnownLabels.of_job(spec["protocol"], files.protocol, spec["classes"], spec["novel"])
    data = known.reveal(data, spec["level"], spec["seeds"])
    images = load_image_features(files.validation, budget)
    labels = read_image_labels(files.validation_images, images.ids).numpy()
    columns = [spec["classes"].index(name) for name in spec["novel"] or spec["classes"]]
    backbone, method = load_backbone(spec["clip"], pick_device()), methods.get(spec["method"])

    def attempt(point: dict[str, Any]) -> dict[str, Any]:
        settings = method.Settings(**{**spec["settings"], **point})
        return try_settings(method, settings, point, backbone, spec, data, images, labels[:, columns])

    with progress(spec["method"], "settings") as report:
        rows = try_all(spec["grid"], spec["then"], attempt, report)
    write_parquet(pa.Table.from_pylist(rows), snakemake.output.table)
    for row in rows[:3]:
        log.info("%s: validation mAP %.2f with %s", spec["method"], row["mAP"], row["set"])


if __name__ == "__main__":
    run(main, snakemake)
