"""Audit generated images by a CLIP that judges them, and show the worst and best."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.audit.images import audit_images
    from t2ipal.pages.audit import audit_page, chosen, class_rates, rates_csv
    from t2ipal.pages.examples import images_of
    from t2ipal.store import read_parquet, write_text

    spec, files = snakemake.params.spec, snakemake.input
    shards = [files.others[start : start + spec["shards"]] for start in range(0, len(files.others), spec["shards"])]
    audit = audit_images(
        *(files.labelled, files.features, files.captions, files.templates, files.real, files.real_images),
        classes=len(spec["classes"]),
        seed=spec["seed"],
        others=dict(zip(spec["models"][1:], shards, strict=True)),
    )
    shown = {audit.ids[row] for ends in chosen(audit).values() for rows in ends for row in rows}
    table = read_parquet(files.labelled, ["caption_id", "text"])
    captions = dict(zip(table["caption_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    about = (spec["title"], spec["models"][0], spec["judge"], spec["circular"])
    page = audit_page(audit, spec["classes"], captions, images_of(files.images, shown), *about)
    write_text(snakemake.output.csv, rates_csv(class_rates(audit, spec["classes"])))
    write_text(snakemake.output.html, page)
    if audit.around:
        ours, real = audit.around
        log.info("coverage %.1f %% (other real images: %.1f %%)", 100 * ours.coverage, 100 * real.coverage)


if __name__ == "__main__":
    run(main, snakemake)
