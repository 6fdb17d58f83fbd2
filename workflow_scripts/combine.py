"""Combine the scores of other runs, and measure the result."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.features.cache import load_image_features
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.metrics import measure
    from t2ipal.metrics.combinations import Calibration, ScoreRule, combination_of
    from t2ipal.metrics.records import write_records
    from t2ipal.metrics.score_files import read_scores, write_scores

    spec, files = snakemake.params.spec, snakemake.input
    how, settings = combination_of(spec["combine"]), dict(spec["combine"])
    tables = {"test": files.test_images, "validation": files.validation_images}
    if files.model:
        budget, fields = MemoryBudget.of_job(snakemake.resources.get("mem_mb")), frozenset(spec["fields"])
        parts = {"test": files.test, "validation": files.validation}
        features = {part: load_image_features(path, budget, fields=fields) for part, path in parts.items() if path}
        scores, header = measure.score(files.model[0], features, cells=how)
        settings["k"] = header["k"]
    else:
        sources = [read_scores(path) for path in files.scores]
        labels = measure.labels_by_part(sources[0], tables) if isinstance(how, Calibration) else None
        scores = measure.combined(sources, how, labels)
        if isinstance(how, ScoreRule) and how.scaled:
            settings["k"] = measure.scales(sources[0], how).tolist()
    write_scores(snakemake.output.scores, scores)
    labels = measure.labels_by_part(scores, tables)
    probabilities = isinstance(how, Calibration)
    metrics = measure.measure(
        scores, labels, spec["classes"], spec["bootstrap"], spec["seed"], probabilities=probabilities
    )
    key = tuple(snakemake.wildcards[name] for name in ("dataset", "method", "variant"))
    write_records(snakemake.output.metrics, key, metrics, settings, {})
    log.info("%s %s: mAP %s", key[1], key[2], ", ".join(f"{metric['mAP']:.2f}" for metric in metrics))


if __name__ == "__main__":
    run(main, snakemake)
