"""Show heat maps of classes on test images."""

from typing import Any

from t2ipal.runtime.job import run

SHOWN = 12


def main(snakemake: Any) -> None:
    from t2ipal.atomic import atomic
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.pages.examples import image_examples
    from t2ipal.pages.sheets import heat_sheet

    files = snakemake.input
    budget = MemoryBudget.of_job(snakemake.resources.get("mem_mb"))
    rows = image_examples(files.model, files.features, files.images, snakemake.params.spec, SHOWN, budget=budget)
    with atomic(snakemake.output.png) as part:
        heat_sheet(rows).save(part, "PNG")


if __name__ == "__main__":
    run(main, snakemake)
