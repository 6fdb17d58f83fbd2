"""Train the zoo of the micro world from scratch: its CLIP, its text-to-image model and the judge.

No other target includes it: run `snakemake --cores all zoo`. It made the weights in resources/zoo. An interrupted run
resumes from its last checkpoint in results/zoo.

Outputs:
    results/zoo/weights/manifest.json       and the weights beside it; set `model` in the config to use them
"""


rule zoo:
    input:
        code=get_code("zoo", "t2ipal/micro/zoo/__main__.py"),
    output:
        manifest="results/zoo/weights/manifest.json",
    log:
        "results/zoo/zoo.log",
    benchmark:
        "results/zoo/zoo.jsonl"
    conda:
        ENV
    threads: workflow.cores or 1
    resources:
        mem_mb=8000,
        runtime=1440,
        gpu=1,
    message:
        "Train the micro CLIP, the micro text-to-image model and the judge"
    script:
        "../workflow_scripts/zoo.py"
