"""Paths and values for the rules that make tables, claims and figures, and for `all`."""


def get_table_metrics(wildcards):
    return get_metrics(queries.table_runs(PLAN, [PLAN.tables[wildcards.table]]))


def get_table_spec(wildcards):
    return PLAN.tables[wildcards.table].plain()


def get_sweep_metrics(wildcards):
    return get_metrics(queries.sweep_runs(PLAN, wildcards.sweep, wildcards.dataset))


def get_sweep_spec(wildcards):
    return queries.sweep_spec(CONFIG, PLAN, wildcards.sweep, wildcards.dataset).plain()


def get_claims_metrics(wildcards):
    return get_metrics(queries.claims_runs(CONFIG, PLAN))


def get_claims_spec(wildcards):
    return queries.claims_spec(CONFIG, PLAN).plain()


def get_levels_metrics(wildcards):
    return get_metrics(queries.levels_runs(CONFIG, PLAN, wildcards.protocol, wildcards.dataset))


def get_levels_spec(wildcards):
    return queries.levels_spec(CONFIG, PLAN, wildcards.protocol, wildcards.dataset).plain()


def get_figures(sweep):
    return [f"{RESULTS}/figures/{sweep}-{dataset}.png" for dataset in PLAN.sweeps[sweep]]


def get_everything():
    """All that `all` makes."""
    figures = [file for sweep in PLAN.sweeps for file in get_figures(sweep)]
    figures += [
        f"{RESULTS}/figures/levels-{protocol}-{dataset}.png"
        for protocol, dataset in queries.level_figures(CONFIG, PLAN)
    ]
    tables = [f"{RESULTS}/tables/{table}.md" for table in PLAN.tables]
    claims = [f"{RESULTS}/report/claims.html"] if tables else []
    return [*tables, *claims, *figures, *get_report_files(), *get_predictions()]
