"""Draw which labels, or which few images, a protocol lets methods know."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.datasets import protocols
    from t2ipal.store import read_parquet
    from t2ipal.training import runs

    spec, output = snakemake.params.spec, snakemake.output.known
    table = read_parquet(snakemake.input.images, ["image_id"])
    ids = sorted(table["image_id"].to_pylist())
    if spec["protocol"] == "partial":
        protocols.write_partial(ids, len(spec["classes"]), spec["levels"], 0, output)
        return
    labels = runs.labels_of(snakemake.input.images, ids).numpy()
    novel = [spec["classes"].index(name) for name in spec["novel"]] or None
    for line in protocols.write_few_shot(ids, labels, spec["levels"], spec["seeds"], novel, output):
        log.warning("%s: %s", spec["protocol"], line)


if __name__ == "__main__":
    run(main, snakemake)
