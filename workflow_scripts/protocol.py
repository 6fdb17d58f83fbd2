"""Sample the labels, or the few images, that a protocol reveals to methods."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.protocols import PARTIAL
    from t2ipal.protocols.few_shot import write_few_shot
    from t2ipal.protocols.partial import mask_seed, write_partial
    from t2ipal.rows.join import read_image_labels
    from t2ipal.sources.base import source_of
    from t2ipal.store import read_parquet

    def ids_of(path: str) -> list[str]:
        return sorted(read_parquet(path, ["image_id"])["image_id"].to_pylist())

    spec, output = snakemake.params.spec, snakemake.output.known
    ids = ids_of(snakemake.input.images)
    if spec["protocol"] == PARTIAL:
        source = source_of(spec["source"])
        listed = list(source.official_order()) or sorted({*ids, *ids_of(snakemake.input.rejects)})
        seed = mask_seed(spec["masks"], source.source)
        write_partial(ids, len(spec["classes"]), spec["levels"], seed, output, listed)
        return
    labels = read_image_labels(snakemake.input.images, ids).numpy()
    novel = [spec["classes"].index(name) for name in spec["novel"]] or None
    for line in write_few_shot(ids, labels, spec["levels"], spec["seeds"], novel, output):
        log.warning("%s: %s", spec["protocol"], line)


if __name__ == "__main__":
    run(main, snakemake)
