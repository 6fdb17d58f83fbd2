"""Score the test and validation images by one run, and measure the scores."""

from typing import Any

from job import log, run


def main(snakemake: Any) -> None:
    from t2ipal import runs
    from t2ipal.features.cache import load_image_features
    from t2ipal.records import write_records
    from t2ipal.score_files import write_scores
    from t2ipal.store import read_parquet

    spec, files = snakemake.params.spec, snakemake.input
    features = {"test": load_image_features(files.test)}
    if files.validation:
        features["validation"] = load_image_features(files.validation)
    scores, header = runs.score(files.model, features)
    write_scores(snakemake.output.scores, scores)
    labels = runs.labels_by_part(scores, {"test": files.test_images, "validation": files.validation_images})
    metrics = runs.measure(scores, labels, spec["classes"], spec["bootstrap"], spec["seed"])
    key = tuple(snakemake.wildcards[name] for name in ("dataset", "method", "variant"))
    cost = runs.training_cost(read_parquet(files.history))
    write_records(snakemake.output.metrics, key, metrics, header["settings"], cost)
    log.info("%s %s: mAP %s", key[1], key[2], ", ".join(f"{metric['mAP']:.2f}" for metric in metrics))


if __name__ == "__main__":
    run(main, snakemake)
