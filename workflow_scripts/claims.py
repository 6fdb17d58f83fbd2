"""Write what the paper's tables claim and what this run says of it, as a page and as CSV."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.metrics.records import read_records
    from t2ipal.pages.claims import claims_page
    from t2ipal.store import write_text
    from t2ipal.tables import claims_to_csv, count_claims, make_claims, read_paper, shape_claims

    records, paper = read_records(snakemake.input.metrics), read_paper(snakemake.input.paper)
    spec = snakemake.params.spec
    claims = make_claims(spec["tables"], records, paper) + shape_claims(spec["sweeps"], records, paper)
    write_text(snakemake.output.html, claims_page(claims))
    write_text(snakemake.output.csv, claims_to_csv(claims))
    log.info("claims of the paper: %s", ", ".join(f"{number} {name}" for name, number in count_claims(claims).items()))


if __name__ == "__main__":
    run(main, snakemake)
