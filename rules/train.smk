"""Train a method on cached features, all seeds and label levels in one job (paper, eqs. 1-7, section 4.1).

Inputs:
    captions/{pool}/{classes}-{filter}/labelled.parquet and the features of the captions, templates and images that the
    method's loss uses; a CLIP, whose text encoder carries the gradient to the prompts; for a method that learns from
    labels the features of the labelled training images
Outputs:
    protocols/{dataset}/{protocol}.parquet                  the labels, or the few images, that are known at each level
    runs/{dataset}/{method}/{variant}/model.safetensors     learned tensors, seeds first; settings in the header
    runs/{dataset}/{method}/{variant}/history.parquet       losses by seed and epoch
"""


rule protocol:
    input:
        images="<results>/images/train/{dataset}.parquet",
        rejects="<results>/images/train/{dataset}-rejects.parquet",
        # masks of partial labels are sampled in the order of the list
        files=lambda w: get_source_files(get_source(w.dataset, "train"), f"datasets.{w.dataset}.train"),
        code=lambda w: get_source_code("protocol", get_source(w.dataset, "train")),
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
        made=lambda w: get_protocol_made(w.protocol, w.dataset),
        holds=lambda w: {"images": {"classes": get_class_names(w.dataset)}},
        spec=lambda w: {
            **queries.protocol_spec(CONFIG, PLAN, w.protocol, w.dataset),
            "classes": get_class_names(w.dataset),
            "source": get_source(w.dataset, "train").spec(),
        },
    message:
        "Sample the known labels of {wildcards.dataset} (protocol {wildcards.protocol})"
    script:
        "../workflow_scripts/protocol.py"


rule train:
    input:
        # the files that the run's kinds of training rows read
        labelled=get_training_rows("labelled", "captions/{run.pool}/{labels}/labelled.parquet"),
        captions=get_training_rows("captions", "features/{run.clip}/captions/{run.pool}.parquet"),
        templates=get_training_rows("templates", "features/{run.clip}/templates/{classes}.parquet"),
        images=get_training_rows(
            "images", "features/{run.clip}/images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}.parquet"
        ),
        flagged=get_training_rows("flagged", "images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}-flagged.parquet"),
        train=get_training_rows("train", "features/{run.clip}/train/{run.dataset}.parquet"),
        train_images=get_training_rows("train_images", "images/train/{run.dataset}.parquet"),
        protocol=lambda w: (
            [f"{RESULTS}/protocols/{w.dataset}/{get_run(w).protocol}.parquet"] if get_run(w).protocol else []
        ),
        words=lambda w: get_existing(f"settings.{w.method}.word_vectors", get_run(w).settings.get("word_vectors")),
        model=lambda w: get_backbone(get_run(w).clip),
        code=lambda w: get_method_code("train", w.method, get_run(w).clip),
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
        made=lambda w: get_model_made(get_run(w)),
        holds=lambda w: get_training_holds(get_run(w)),
        spec=lambda w: {
            "method": w.method,
            "settings": dict(get_run(w).settings),
            "seeds": list(get_run(w).seeds),
            "protocol": get_run(w).protocol,
            "levels": list(get_run(w).levels),
            "novel": list(queries.novel_classes(PLAN, get_run(w))),
            "clip": CONFIG.clip[get_run(w).clip].model,
            "weights": get_weights(get_run(w).clip),
            "words": get_state(*filter(None, [get_run(w).settings.get("word_vectors")])),
            "classes": get_class_names(w.dataset),
            "shards": CONFIG.pools[get_run(w).pool].shards,
            **get_held_out(get_run(w)),
        },
    message:
        "Train {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/train.py"
