"""Label the captions of a pool by their nouns."""

from typing import Any

from job import log, progress, run


def main(snakemake: Any) -> None:
    from t2ipal.captions.files import label_captions
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.captions.tai_dpt import TaiDptFilter
    from t2ipal.classes import load_classes

    spec, output = snakemake.params.spec, snakemake.output
    labeller = {"default": NounFilter, "tai_dpt": TaiDptFilter}[spec["filter"]](load_classes(spec["classes"]))
    with progress(snakemake.wildcards.labels, "captions") as report:
        reasons = label_captions(snakemake.input.captions, labeller, output.labelled, output.rejects, report)
    for reason, count in reasons.most_common():
        log.info("%s: %s left out: %s", report.what, f"{count:,}", reason)


if __name__ == "__main__":
    run(main, snakemake)
