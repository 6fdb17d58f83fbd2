"""Training: one method, all seeds and label levels in one job, on cached features (paper, eqs. 1-7, section 4.1).

Inputs:
    captions/{pool}/{classes}-{filter}/labelled.parquet and the features of the captions, templates and images that the
    method's loss uses; a CLIP, whose text encoder carries the gradient to the prompts; for a method that learns from
    labels the features of the labelled training images
Outputs:
    protocols/{dataset}/{protocol}.parquet                  which labels, or which few images, are known at each level
    runs/{dataset}/{method}/{variant}/model.safetensors     what was learned, seeds first; settings in the header
    runs/{dataset}/{method}/{variant}/history.parquet       losses by seed and epoch
"""


rule protocol:
    input:
        images="<results>/images/train/{dataset}.parquet",
        code=get_code("protocol"),
    output:
        known="<results>/protocols/{dataset}/{protocol}.parquet",
    log:
        "<results>/logs/protocol/{dataset}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/protocol/{dataset}/{protocol}.jsonl"
    priority: NEXT
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        spec=get_protocol_spec,
    message:
        "Protocol: draw what {wildcards.protocol} knows of {wildcards.dataset}"
    script:
        "../workflow_scripts/protocol.py"


rule train:
    input:
        # what the run's kinds of training rows read
        labelled=read_by_rows("labelled", "captions/{run.pool}/{labels}/labelled.parquet"),
        captions=read_by_rows("captions", "features/{run.clip}/captions/{run.pool}.parquet"),
        templates=read_by_rows("templates", "features/{run.clip}/templates/{classes}.parquet"),
        images=read_by_rows(
            "images", "features/{run.clip}/images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}.parquet"
        ),
        flagged=read_by_rows("flagged", "images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}-flagged.parquet"),
        train=read_by_rows("train", "features/{run.clip}/train/{run.dataset}.parquet"),
        train_images=read_by_rows("train_images", "images/train/{run.dataset}.parquet"),
        protocol=get_train_protocol,
        words=get_train_words,
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
        method=r"[^/+]+",
    priority: lambda w: priorities.of_training(PLAN, get_run(w).key)
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
