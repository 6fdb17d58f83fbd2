"""Compare this run with the claims of the paper, as a page and as CSV."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.metrics.records import read_records
    from t2ipal.metrics.registry import METRICS
    from t2ipal.pages.claims import claims_csv, claims_page
    from t2ipal.plan.specs import ClaimsSpec
    from t2ipal.store import write_text
    from t2ipal.tables import (
        claims_of,
        count_claims,
        gains,
        make_table,
        read_paper,
        shape_claims,
        with_best_rules,
    )

    spec = ClaimsSpec.read(snakemake.params.spec)
    rules = any(table.rules for table in spec.tables)
    records = read_records(snakemake.input.metrics, spec.metrics, validation=rules)
    paper = read_paper(snakemake.input.paper)
    tables = [make_table(table, records, paper) for table in spec.tables]
    claims = with_best_rules([claim for table in tables for claim in claims_of(table)], tables)
    claims += shape_claims(spec.sweeps, records, paper)
    left = [sentence for table in tables for sentence in gains(table)]
    page = claims_page(claims, notes=spec.notes, metric=METRICS[spec.metric].title, gains=left)
    write_text(snakemake.output.html, page)
    write_text(snakemake.output.csv, claims_csv(claims))
    log.info("claims of the paper: %s", ", ".join(f"{number} {name}" for name, number in count_claims(claims).items()))


if __name__ == "__main__":
    run(main, snakemake)
