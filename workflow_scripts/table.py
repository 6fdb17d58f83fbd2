"""Write a table of this run beside the paper's numbers, in five formats."""

from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.metrics.records import read_records
    from t2ipal.pages.renderers import RENDERERS
    from t2ipal.plan.specs import TableSpec
    from t2ipal.store import write_text
    from t2ipal.tables import make_table, read_paper

    spec = TableSpec.read(snakemake.params.spec)
    records = read_records(snakemake.input.metrics, spec.metrics, validation=spec.rules)
    table = make_table(spec, records, read_paper(snakemake.input.paper))
    for name, render in RENDERERS.items():
        write_text(snakemake.output[name], render(table))


if __name__ == "__main__":
    run(main, snakemake)
