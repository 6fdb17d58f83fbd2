"""Score the test and validation images by one run, and measure the scores."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal import methods
    from t2ipal.features.cache import load_image_features
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.methods.model_files import image_fields
    from t2ipal.metrics import measure
    from t2ipal.metrics.records import write_records
    from t2ipal.metrics.score_files import write_scores
    from t2ipal.store import read_parquet
    from t2ipal.training.history import training_cost

    spec, files = snakemake.params.spec, snakemake.input
    budget = MemoryBudget.of_job(snakemake.resources.get("mem_mb"))
    fields = image_fields(files.model)
    features = {"test": load_image_features(files.test, budget, fields=fields)}
    if files.validation:
        features["validation"] = load_image_features(files.validation, budget, fields=fields)
    scores, header = measure.score(files.model, features)
    write_scores(snakemake.output.scores, scores)
    labels = measure.labels_by_part(scores, {"test": files.test_images, "validation": files.validation_images})
    own = methods.get(header["method"]).own_metric
    metrics = measure.measure(scores, labels, spec["classes"], spec["bootstrap"], spec["seed"], own)
    key = tuple(snakemake.wildcards[name] for name in ("dataset", "method", "variant"))
    cost = training_cost(read_parquet(files.history))
    write_records(snakemake.output.metrics, key, metrics, header["settings"], cost)
    log.info("%s %s: mAP %s", key[1], key[2], ", ".join(f"{metric['mAP']:.2f}" for metric in metrics))


if __name__ == "__main__":
    run(main, snakemake)
