"""Draw which labels, or which few images, a protocol lets methods know."""

from typing import Any

from job import log, run


def main(snakemake: Any) -> None:
    from t2ipal import runs
    from t2ipal.datasets import protocols
    from t2ipal.store import read_parquet

    spec, output = snakemake.params.spec, snakemake.output.known
    table = read_parquet(snakemake.input.images, ["image_id"])
    ids = sorted(table["image_id"].to_pylist())
    if spec["protocol"] == "partial":
        protocols.write_partial(ids, len(spec["classes"]), spec["levels"], 0, output)
        return
    labels = runs.labels_of(snakemake.input.images, ids).numpy()
    novel = [spec["classes"].index(name) for name in spec["novel"]] or None
    short = protocols.write_few_shot(ids, labels, spec["levels"], spec["seeds"], novel, output)
    for (shots, label), count in short.items():
        log.warning("%s: %s has %d images, fewer than %d shots", spec["protocol"], spec["classes"][label], count, shots)


if __name__ == "__main__":
    run(main, snakemake)
