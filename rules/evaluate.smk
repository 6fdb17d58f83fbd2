"""Score the test images and measure the scores; search settings on validation images (paper, section 4.1).

Inputs:
    runs/{dataset}/{method}/{variant}/model.safetensors, features/{clip}/{test,validation}/{dataset}.parquet
    runs/.../scores.parquet of other runs, for a method "{method}+{other}", which combines them
Outputs:
    runs/{dataset}/{method}/{variant}/scores.parquet        a score per image, level, seed and class
    runs/{dataset}/{method}/{variant}/metrics.parquet       a row per level and seed: mAP, AP by class, CF1, OF1, cost
    search/{clip}/{dataset}/{method}.parquet                a row per combination of settings, the best first
"""


rule evaluate:
    input:
        model="<results>/runs/{dataset}/{method}/{variant}/model.safetensors",
        history="<results>/runs/{dataset}/{method}/{variant}/history.parquet",
        test=lambda w: get_scored_features(w, "test"),
        test_images="<results>/images/test/{dataset}.parquet",
        validation=lambda w: get_scored_features(w, "validation"),
        validation_images=lambda w: get_validation(w.dataset, "images"),
        code=lambda w: get_method_code("evaluate", w.method),
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
        made=lambda w: get_metrics_made([get_run(w)])[0],
        holds=lambda w: {
            "model": get_model_made(get_run(w)),
            **dict.fromkeys(("test", "validation"), {"clip": get_clip_made(get_run(w).clip)}),
            **dict.fromkeys(("test_images", "validation_images"), {"classes": get_class_names(w.dataset)}),
        },
        spec=lambda w: {
            "classes": get_class_names(w.dataset),
            "bootstrap": CONFIG.bootstrap,
            "seed": CONFIG.seed,
        },
    message:
        "Evaluate {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/evaluate.py"


rule combine:
    input:
        scores=lambda w: get_sources(w, "scores.parquet"),
        model=lambda w: get_sources(w, "model.safetensors"),
        test=lambda w: get_scored_features(w, "test"),
        validation=lambda w: get_scored_features(w, "validation"),
        test_images="<results>/images/test/{dataset}.parquet",
        validation_images=lambda w: get_validation(w.dataset, "images"),
        code=lambda w: (
            get_method_code("combine", w.method.partition("+")[0]) if get_run(w).fields else get_code("combine")
        ),
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
        made=lambda w: get_metrics_made([get_run(w)])[0],
        holds=lambda w: {
            **(
                {"model": [get_model_made(PLAN.runs[key]) for key in get_run(w).sources]}
                if get_run(w).fields
                else {"scores": [get_scores_made(PLAN.runs[key]) for key in get_run(w).sources]}
            ),
            **dict.fromkeys(("test", "validation"), {"clip": get_clip_made(get_run(w).clip)}),
            **dict.fromkeys(("test_images", "validation_images"), {"classes": get_class_names(w.dataset)}),
        },
        spec=lambda w: {
            "classes": get_class_names(w.dataset),
            "bootstrap": CONFIG.bootstrap,
            "seed": CONFIG.seed,
            "combine": plain_of(get_run(w).combine),
            "fields": sorted(get_run(w).fields),
        },
    message:
        "Combine the scores of {wildcards.method} ({wildcards.variant}) on {wildcards.dataset}"
    script:
        "../workflow_scripts/combine.py"


rule search_settings:
    input:
        # the files that the kinds of training rows read
        labelled=get_training_rows("labelled", "captions/{run.pool}/{labels}/labelled.parquet", get_search_run),
        captions=get_training_rows("captions", "features/{run.clip}/captions/{run.pool}.parquet", get_search_run),
        templates=get_training_rows("templates", "features/{run.clip}/templates/{classes}.parquet", get_search_run),
        images=get_training_rows(
            "images",
            "features/{run.clip}/images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}.parquet",
            get_search_run,
        ),
        flagged=get_training_rows(
            "flagged", "images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}-flagged.parquet", get_search_run
        ),
        train=get_training_rows("train", "features/{run.clip}/train/{run.dataset}.parquet", get_search_run),
        train_images=get_training_rows("train_images", "images/train/{run.dataset}.parquet", get_search_run),
        validation="<results>/features/{clip}/validation/{dataset}.parquet",
        validation_images="<results>/images/validation/{dataset}.parquet",
        protocol=lambda w: [
            f"{RESULTS}/protocols/{w.dataset}/{protocol}-search.parquet"
            for protocol in filter(None, [queries.search_protocol(CONFIG, w.method)])
        ],
        model=lambda w: get_backbone(w.clip),
        code=lambda w: get_method_code("search", w.method, w.clip),
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
        holds=lambda w: {
            **get_training_holds(get_search_run(w)),
            "validation": {"clip": get_clip_made(w.clip)},
            "validation_images": {"classes": get_class_names(w.dataset)},
        },
        spec=lambda w: {
            "method": w.method,
            "kinds": sorted(get_search_run(w).kinds),
            "shards": CONFIG.pools[get_search_run(w).pool].shards,
            "protocol": queries.search_protocol(CONFIG, w.method) or "",
            "level": CONFIG.search[w.method].level or 0,
            "grid": dict(CONFIG.search[w.method].grid),
            "then": dict(CONFIG.search[w.method].then),
            "seeds": list(CONFIG.search_seeds),
            "settings": settings_of(CONFIG, w.method, dataset=w.dataset).model_dump(mode="json"),
            "clip": CONFIG.clip[w.clip].model,
            "weights": get_weights(w.clip),
            "classes": get_class_names(w.dataset),
            "novel": list(queries.search_novel(CONFIG, PLAN, w.method, w.dataset)),
        },
    message:
        "Search settings of {wildcards.method} on validation images of {wildcards.dataset}"
    script:
        "../workflow_scripts/search.py"


rule search:
    """Target: the settings that are best on validation images, for the methods under `search` of the config."""
    input:
        [f"{RESULTS}/search/{clip}/{dataset}/{method}.parquet" for clip, dataset, method in queries.searches(CONFIG)],
