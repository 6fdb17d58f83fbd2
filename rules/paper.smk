"""The paper's tables and figures, ours beside the paper's (paper, sections 4.2 and 4.4).

Inputs:
    runs/{dataset}/{method}/{variant}/metrics.parquet, resources/paper_results.csv
Outputs:
    tables/table1.{csv,md,txt,tex,html}  Table 1, zero-shot recognition
    figures/{sweep}-{dataset}.{png,svg}  a sweep of the config; fig3a is Figure 3a, mAP over gamma
"""


rule table1:
    input:
        metrics=get_table1_metrics,
        paper=get_resource("paper_results.csv"),
        code=get_code("table"),
    output:
        csv="<results>/tables/table1.csv",
        md="<results>/tables/table1.md",
        txt="<results>/tables/table1.txt",
        tex="<results>/tables/table1.tex",
        html=report(
            "<results>/tables/table1.html",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "1", "shows": "zero-shot mAP"},
        ),
    log:
        "<results>/logs/table1.log",
    benchmark:
        "<results>/benchmarks/table1.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        spec=get_table1_spec,
    message:
        "Paper: Table 1"
    script:
        "../workflow_scripts/table.py"


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
