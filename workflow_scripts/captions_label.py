"""Label the captions of a pool by their nouns."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log, progress


def main(snakemake: Any) -> None:
    from t2ipal.captions.files import label_captions
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.captions.tai_dpt import TaiDptFilter
    from t2ipal.classes import load_classes

    spec, output = snakemake.params.spec, snakemake.output
    kind = {"default": NounFilter, "tai_dpt": TaiDptFilter}[spec["filter"]]
    labeller = kind(load_classes(spec["classes"]), spec["words"])
    with progress(snakemake.wildcards.labels, "captions") as report:
        files = (snakemake.input.captions, labeller, output.labelled, output.rejects)
        reasons = label_captions(*files, report, cap=spec["cap"])
    for reason, count in reasons.most_common():
        log.info("%s: %s left out: %s", report.what, f"{count:,}", reason)


if __name__ == "__main__":
    run(main, snakemake)
