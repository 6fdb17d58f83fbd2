"""The paper's tables and figures, ours beside the paper's (paper, sections 4.2 and 4.4).

Inputs:
    runs/{dataset}/{method}/{variant}/metrics.parquet, resources/paper_results.csv
Outputs:
    tables/{table}.{csv,md,txt,tex,html}    table1 to table6, and tables of variations by their name in the config
    report/claims.html                      what the paper claims, and what this run says to it
    figures/levels-{protocol}-{dataset}.{png,svg}   Tables 2 and 4 as curves
    figures/{sweep}-{dataset}.{png,svg}  a sweep of the config; fig3a is Figure 3a, mAP over gamma
"""


rule table:
    input:
        metrics=get_table_metrics,
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
        spec=get_table_spec,
    message:
        "Paper: {wildcards.table}"
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
        metrics=get_claims_metrics,
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
        spec=get_claims_spec,
    message:
        "Paper: what it claims, and what this run says"
    script:
        "../workflow_scripts/claims.py"


rule levels:
    input:
        metrics=get_levels_metrics,
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
        spec=get_levels_spec,
    message:
        "Paper: curves of {wildcards.protocol} on {wildcards.dataset}"
    script:
        "../workflow_scripts/levels.py"


rule sweep:
    input:
        metrics=get_sweep_metrics,
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
        spec=get_sweep_spec,
    message:
        "Paper: {wildcards.sweep} on {wildcards.dataset}"
    script:
        "../workflow_scripts/sweep.py"


for sweep in PLAN.sweeps:

    rule:
        name:
            sweep
        input:
            get_figures(sweep),
        localrule: True
