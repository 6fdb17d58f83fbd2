"""Training: prompts and adapter of one method, all seeds in one job, on cached features (paper, eqs. 1-7).

Inputs:
    captions/{pool}/{classes}-{filter}/labelled.parquet and the features of the captions, templates and images that the
    method's loss uses; a CLIP, whose text encoder carries the gradient to the prompts
Outputs:
    runs/{dataset}/{method}/{variant}/model.safetensors     what was learned, seeds first; settings in the header
    runs/{dataset}/{method}/{variant}/history.parquet       losses by seed and epoch
"""


rule train:
    input:
        labelled=get_train_captions,
        captions=get_train_texts,
        templates=get_train_templates,
        images=get_train_images,
        flagged=get_train_flagged,
        train=get_train_labelled,
        train_images=get_train_labels,
        model=get_run_clip,
        code=get_train_code,
    output:
        model="<results>/runs/{dataset}/{method}/{variant}/model.safetensors",
        history="<results>/runs/{dataset}/{method}/{variant}/history.parquet",
    log:
        "<results>/logs/train/{dataset}/{method}/{variant}.log",
    benchmark:
        "<results>/benchmarks/train/{dataset}/{method}/{variant}.jsonl"
    wildcard_constraints:
        variant="base",
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
        gpu=1,
    params:
        spec=get_train_spec,
    message:
        "Train: {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/train.py"


use rule train as train_sweep with:
    wildcard_constraints:
        variant=".+=.+",
    priority: 0
