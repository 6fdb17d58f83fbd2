"""List the models and data sets of the config that are missing or damaged, and where to get them."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.data_check import check_model, load_downloads, report
    from t2ipal.errors import UserError
    from t2ipal.sources.base import source_of
    from t2ipal.sources.class_counts import find_classes

    spec = snakemake.params.spec
    findings = [check_model(*model) for model in spec["models"]]
    findings += [found for key, source in spec["sources"].items() for found in source_of(source).check(key)]
    unreadable = {found.key for found in findings if found.missing}
    for key, source, pool, captions in spec["existing"]:
        if not any(name.startswith((f"{key}.", f"pools.{pool}.")) for name in unreadable):
            findings.append(source_of(source).check_pool(key, pool, source_of(captions), spec["seed"]))
    for key, part, source, classes in spec["labels"]:
        findings += find_classes(key, part, source_of(source), classes)
    for line in report(findings, load_downloads()).splitlines():
        log.info("%s", line)
    for note in spec["notes"]:
        log.info("note    %s", note)
    missing = [f"{found.key}: {found.text}" for found in findings if found.missing]
    if missing:
        raise UserError(f"{len(missing)} of {len(findings)} are not in order: {'; '.join(missing)}")


if __name__ == "__main__":
    run(main, snakemake)
