"""Make the paper's tables and figures, with the paper's numbers beside ours (paper, sections 4.2 and 4.4).

Inputs:
    runs/{dataset}/{method}/{variant}/metrics.parquet, resources/paper_results.csv
Outputs:
    tables/{table}.{csv,md,txt,tex,html}    table1 to table6, and tables of variations by their name in the config
    report/claims.html                      the paper's claims, and whether this run confirms them
    figures/levels-{protocol}-{dataset}.{png,svg}   Tables 2 and 4 as curves
    figures/{sweep}-{dataset}.{png,svg}  a sweep of the config; fig3a is Figure 3a, mAP over gamma
"""


rule table:
    input:
        metrics=lambda w: get_metrics(queries.table_runs(PLAN, [PLAN.tables[w.table]])),
        paper=get_resource("paper_results.csv"),
        code=get_code("table"),
    output:
        csv="<results>/tables/{table}.csv",
        md="<results>/tables/{table}.md",
        txt="<results>/tables/{table}.txt",
        tex="<results>/tables/{table}.tex",
        html=report(
            "<results>/tables/{table}.html",
            caption="../report/table.rst",
            category="Tables",
            labels={"shows": "{table}"},
        ),
    log:
        "<results>/logs/table/{table}.log",
    benchmark:
        "<results>/benchmarks/table/{table}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"metrics": get_metrics_made(queries.table_runs(PLAN, [PLAN.tables[w.table]]))},
        spec=lambda w: PLAN.tables[w.table].plain(),
    message:
        "Make {wildcards.table}"
    script:
        "../workflow_scripts/table.py"


for table in PLAN.tables:

    rule:
        name:
            table
        input:
            f"<results>/tables/{table}.html",
        localrule: True


rule claims:
    input:
        metrics=lambda w: get_metrics(queries.claims_runs(CONFIG, PLAN)),
        paper=get_resource("paper_results.csv"),
        code=get_code("claims"),
    output:
        csv="<results>/report/claims.csv",
        html=report(
            "<results>/report/claims.html",
            caption="../report/claims.rst",
            category="Paper and this run",
            labels={"shows": "claim by claim"},
        ),
    log:
        "<results>/logs/claims.log",
    benchmark:
        "<results>/benchmarks/claims.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"metrics": get_metrics_made(queries.claims_runs(CONFIG, PLAN))},
        spec=lambda w: queries.claims_spec(CONFIG, PLAN).plain(),
    message:
        "Compare this run with the paper's claims"
    script:
        "../workflow_scripts/claims.py"


rule levels:
    input:
        metrics=lambda w: get_metrics(queries.levels_runs(CONFIG, PLAN, w.protocol, w.dataset)),
        paper=get_resource("paper_results.csv"),
        code=get_code("levels"),
    output:
        png=report(
            "<results>/figures/levels-{protocol}-{dataset}.png",
            caption="../report/levels.rst",
            category="Figures",
            labels={"shows": "{protocol}", "data set": "{dataset}"},
        ),
        svg="<results>/figures/levels-{protocol}-{dataset}.svg",
    log:
        "<results>/logs/levels/{protocol}-{dataset}.log",
    benchmark:
        "<results>/benchmarks/levels/{protocol}-{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"metrics": get_metrics_made(queries.levels_runs(CONFIG, PLAN, w.protocol, w.dataset))},
        spec=lambda w: queries.levels_spec(CONFIG, PLAN, w.protocol, w.dataset).plain(),
    message:
        "Plot levels of {wildcards.protocol} on {wildcards.dataset}"
    script:
        "../workflow_scripts/levels.py"


rule sweep:
    input:
        metrics=lambda w: get_metrics(queries.sweep_runs(PLAN, w.sweep, w.dataset)),
        paper=get_resource("paper_results.csv"),
        code=get_code("sweep"),
    output:
        png=report(
            "<results>/figures/{sweep}-{dataset}.png",
            caption="../report/sweep.rst",
            category="Figures",
            labels={"shows": "{sweep}", "data set": "{dataset}"},
        ),
        svg="<results>/figures/{sweep}-{dataset}.svg",
    log:
        "<results>/logs/sweep/{sweep}-{dataset}.log",
    benchmark:
        "<results>/benchmarks/sweep/{sweep}-{dataset}.jsonl"
    wildcard_constraints:
        sweep="|".join(map(re.escape, PLAN.sweeps)) or "(?!)",
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"metrics": get_metrics_made(queries.sweep_runs(PLAN, w.sweep, w.dataset))},
        spec=lambda w: queries.sweep_spec(CONFIG, PLAN, w.sweep, w.dataset).plain(),
    message:
        "Plot {wildcards.sweep} on {wildcards.dataset}"
    script:
        "../workflow_scripts/sweep.py"


for sweep in PLAN.sweeps:

    rule:
        name:
            sweep
        input:
            [f"{RESULTS}/figures/{sweep}-{dataset}.png" for dataset in PLAN.sweeps[sweep]],
        localrule: True
