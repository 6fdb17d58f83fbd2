"""Write Table 1 in four formats."""

from typing import Any

from job import run


def main(snakemake: Any) -> None:
    from t2ipal.records import read_records
    from t2ipal.store import write_text
    from t2ipal.tables import RENDERERS, DatasetColumn, MethodRow, print_table, read_paper, table1

    spec = snakemake.params.spec
    table = table1(
        read_records(snakemake.input.metrics),
        [MethodRow(**row) for row in spec["methods"]],
        [DatasetColumn(**row) for row in spec["datasets"]],
        read_paper(snakemake.input.paper),
    )
    for name, render in {**RENDERERS, "txt": print_table}.items():
        write_text(snakemake.output[name], render(table))


if __name__ == "__main__":
    run(main, snakemake)
