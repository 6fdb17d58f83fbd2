"""Sample the labels, or the few images, that a protocol reveals to methods."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.protocols import PARTIAL
    from t2ipal.protocols.few_shot import write_few_shot
    from t2ipal.protocols.partial import write_partial
    from t2ipal.rows.join import read_image_labels
    from t2ipal.store import read_parquet

    spec, output = snakemake.params.spec, snakemake.output.known
    table = read_parquet(snakemake.input.images, ["image_id"])
    ids = sorted(table["image_id"].to_pylist())
    if spec["protocol"] == PARTIAL:
        write_partial(ids, len(spec["classes"]), spec["levels"], 0, output)
        return
    labels = read_image_labels(snakemake.input.images, ids).numpy()
    novel = [spec["classes"].index(name) for name in spec["novel"]] or None
    for line in write_few_shot(ids, labels, spec["levels"], spec["seeds"], novel, output):
        log.warning("%s: %s", spec["protocol"], line)


if __name__ == "__main__":
    run(main, snakemake)
