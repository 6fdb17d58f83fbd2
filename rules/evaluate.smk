"""Evaluation: scores of the test images and one record of metrics per run (paper, section 4.1).

Inputs:
    runs/{dataset}/{method}/{variant}/model.safetensors, features/{clip}/test/{dataset}.parquet
Outputs:
    runs/{dataset}/{method}/{variant}/scores.parquet        a score per image, seed and class
    runs/{dataset}/{method}/{variant}/metrics.parquet       a row per seed: mAP, AP by class, CF1, OF1, settings, cost
"""


rule evaluate:
    input:
        model="<results>/runs/{dataset}/{method}/{variant}/model.safetensors",
        history="<results>/runs/{dataset}/{method}/{variant}/history.parquet",
        features=get_run_test,
        images="<results>/images/test/{dataset}.parquet",
        code=get_evaluate_code,
    output:
        scores="<results>/runs/{dataset}/{method}/{variant}/scores.parquet",
        metrics="<results>/runs/{dataset}/{method}/{variant}/metrics.parquet",
    log:
        "<results>/logs/evaluate/{dataset}/{method}/{variant}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{dataset}/{method}/{variant}.jsonl"
    wildcard_constraints:
        variant="base",
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    message:
        "Evaluate: {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/evaluate.py"


use rule evaluate as evaluate_sweep with:
    wildcard_constraints:
        variant=".+=.+",
    priority: 0
