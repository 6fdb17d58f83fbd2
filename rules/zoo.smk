"""The zoo of the micro world: its CLIP, its text-to-image model and the judge, trained from nothing.

Asked for by name alone: `snakemake --cores all zoo`. The weights in resources/zoo were made by it. An interrupted training
goes on from its last checkpoint in results/zoo.

Outputs:
    results/zoo/weights/manifest.json       and the weights beside it: point `model` of the config there, or copy them
"""


rule zoo:
    input:
        code=code_of(ROOT, "t2ipal/micro/zoo/__main__.py"),
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
        "Zoo: train the micro CLIP, the micro text-to-image model and the judge"
    script:
        "../workflow_scripts/zoo.py"
