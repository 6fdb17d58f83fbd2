"""Evaluation: scores of the test images and one record of metrics per model (paper, section 4.1).

Inputs:
    runs/{dataset}/{method}/{variant}/model.safetensors, features/{clip}/{test,validation}/{dataset}.parquet, or the scores
    of other runs, which a method "{method}+{other}" combines
Outputs:
    runs/{dataset}/{method}/{variant}/scores.parquet        a score per image, level, seed and class
    runs/{dataset}/{method}/{variant}/metrics.parquet       a row per level and seed: mAP, AP by class, CF1, OF1, cost
"""


rule evaluate:
    input:
        model="<results>/runs/{dataset}/{method}/{variant}/model.safetensors",
        history="<results>/runs/{dataset}/{method}/{variant}/history.parquet",
        test=get_run_test,
        test_images="<results>/images/test/{dataset}.parquet",
        validation=get_run_validation,
        validation_images=get_validation_images,
        code=get_evaluate_code,
    output:
        scores="<results>/runs/{dataset}/{method}/{variant}/scores.parquet",
        metrics="<results>/runs/{dataset}/{method}/{variant}/metrics.parquet",
    log:
        "<results>/logs/evaluate/{dataset}/{method}/{variant}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{dataset}/{method}/{variant}.jsonl"
    wildcard_constraints:
        method=r"[^/+]+",
    priority: lambda w: priorities.of_evaluation(PLAN, get_run(w).key)
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=get_measure_spec,
    message:
        "Evaluate: {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/evaluate.py"


rule combine:
    input:
        scores=get_combined_scores,
        test_images="<results>/images/test/{dataset}.parquet",
        validation_images=get_validation_images,
        code=get_code("combine"),
    output:
        scores="<results>/runs/{dataset}/{method}/{variant}/scores.parquet",
        metrics="<results>/runs/{dataset}/{method}/{variant}/metrics.parquet",
    log:
        "<results>/logs/combine/{dataset}/{method}/{variant}.log",
    benchmark:
        "<results>/benchmarks/combine/{dataset}/{method}/{variant}.jsonl"
    wildcard_constraints:
        method=r"[^/+]+\+[^/]+",
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=get_combine_spec,
    message:
        "Combine: {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/combine.py"


rule search_settings:
    input:
        train="<results>/features/{clip}/train/{dataset}.parquet",
        train_images="<results>/images/train/{dataset}.parquet",
        validation="<results>/features/{clip}/validation/{dataset}.parquet",
        validation_images="<results>/images/validation/{dataset}.parquet",
        protocol=get_search_protocol,
        model=get_clip_input,
        code=get_search_code,
    output:
        table="<results>/search/{clip}/{dataset}/{method}.parquet",
    log:
        "<results>/logs/search_settings/{clip}/{dataset}/{method}.log",
    benchmark:
        "<results>/benchmarks/search_settings/{clip}/{dataset}/{method}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
        gpu=1,
    params:
        spec=get_search_spec,
    message:
        "Search: settings of {wildcards.method} on validation images of {wildcards.dataset}"
    script:
        "../workflow_scripts/search.py"


rule search:
    """Target: the settings that validation images find best, for the methods under `search` of the config."""
    input:
        get_searches(),
