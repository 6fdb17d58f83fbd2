"""Score the test images by one run, and measure the scores."""

from typing import Any

from job import log, run


def main(snakemake: Any) -> None:
    import pyarrow as pa

    from t2ipal import runs
    from t2ipal.bootstrap import REPLICATES, resample_counts
    from t2ipal.features.cache import load_image_features
    from t2ipal.records import make_records
    from t2ipal.seeds import seed_of
    from t2ipal.store import read_parquet, write_parquet

    features = load_image_features(snakemake.input.features)
    labels = runs.labels_of(snakemake.input.images, features.ids).numpy()
    scores, header = runs.score(snakemake.input.model, features)
    runs.write_scores(snakemake.output.scores, features.ids, header["seeds"], scores)
    counts = resample_counts(len(labels), REPLICATES, seed_of("bootstrap", snakemake.wildcards.dataset))
    metrics = [runs.measure(seed_scores, labels, header["classes"], counts) for seed_scores in scores]
    seconds = runs.training_seconds(read_parquet(snakemake.input.history, ["epoch", "seconds"]))
    key = (*(snakemake.wildcards[name] for name in ("dataset", "method", "variant")), 0)
    records = make_records(key, header["seeds"], metrics, header["settings"], seconds)
    write_parquet(pa.Table.from_pylist(records), snakemake.output.metrics)
    values = [metric["mAP"] for metric in metrics]
    log.info("%s %s: mAP %s", key[1], key[2], ", ".join(f"{value:.2f}" for value in values))


if __name__ == "__main__":
    run(main, snakemake)
