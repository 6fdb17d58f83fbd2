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
    from t2ipal.tables import claims_of, count_claims, make_table, read_paper, shape_claims

    spec = ClaimsSpec.read(snakemake.params.spec)
    records, paper = read_records(snakemake.input.metrics, spec.metrics), read_paper(snakemake.input.paper)
    claims = [claim for table in spec.tables for claim in claims_of(make_table(table, records, paper))]
    claims += shape_claims(spec.sweeps, records, paper)
    write_text(snakemake.output.html, claims_page(claims, notes=spec.notes, metric=METRICS[spec.metric].title))
    write_text(snakemake.output.csv, claims_csv(claims))
    log.info("claims of the paper: %s", ", ".join(f"{number} {name}" for name, number in count_claims(claims).items()))


if __name__ == "__main__":
    run(main, snakemake)
