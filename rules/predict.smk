"""Predict the classes of unlabelled photos by a trained recogniser (not in the paper).

Inputs:
    runs/{dataset}/{method}/base/model.safetensors, and labelled validation images, or generated images of captions that
    were held out of training, if any, for probabilities
    the folder of photos that the config's `datasets` name as `photos`
    captions/{pool}/{labels}/labelled.parquet
Outputs:
    captions/{pool}/{labels}/words.parquet              the words of each class, and how many captions match
    recognisers/{dataset}/{method}.safetensors          one file with all that `t2ipal predict` needs
    predictions/{dataset}/{method}.{parquet,csv}        a row per photo: labels, and a score per class
    predictions/{dataset}/{method}.html                 the photos with their labels, scores and heat maps
    predictions/{dataset}/{method}-thumbnails           thumbnails, if there are too many for one page
"""


rule class_words:
    input:
        labelled="<results>/captions/{pool}/{labels}/labelled.parquet",
        classes=lambda w: get_class_files(get_labelled_data(w).classes),
        code=get_code("class_words"),
    output:
        words="<results>/captions/{pool}/{labels}/words.parquet",
    log:
        "<results>/logs/class_words/{pool}/{labels}.log",
    benchmark:
        "<results>/benchmarks/class_words/{pool}/{labels}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"labelled": get_labels_made(get_labelled_data(w))},
        spec=lambda w: {
            "classes": get_labelled_data(w).classes,
            "content": load_classes(get_labelled_data(w).classes).digest,
        },
    message:
        "List the words that stand for the classes of {wildcards.labels}"
    script:
        "../workflow_scripts/class_words.py"


rule recogniser:
    input:
        model="<results>/runs/{dataset}/{method}/base/model.safetensors",
        validation=lambda w: get_validation(w.dataset, f"features/{PLAN.runs[w.dataset, w.method, 'base'].clip}"),
        validation_images=lambda w: get_validation(w.dataset, "images"),
        # images of captions held out of training, for a data set with `calibrate: generated`
        labelled=lambda w: [get_labels_file("labelled", w.dataset)] if CONFIG.datasets[w.dataset].calibrate else [],
        images=lambda w: get_calibration(
            w.dataset, "features/{run.clip}/images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}.parquet"
        ),
        flagged=lambda w: get_calibration(
            w.dataset, "images/{run.pool}/{run.t2i}/sample{sample}/shard-{shard}-flagged.parquet"
        ),
        clip=lambda w: get_backbone(PLAN.runs[w.dataset, w.method, "base"].clip),
        code=lambda w: get_method_code("recogniser", w.method),
    output:
        model="<results>/recognisers/{dataset}/{method}.safetensors",
    log:
        "<results>/logs/recogniser/{dataset}/{method}.log",
    benchmark:
        "<results>/benchmarks/recogniser/{dataset}/{method}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        holds=lambda w: {
            "model": get_model_made(PLAN.runs[w.dataset, w.method, "base"]),
            "validation": {"clip": get_clip_made(PLAN.runs[w.dataset, w.method, "base"].clip)},
            "validation_images": {"classes": get_class_names(w.dataset)},
            "labelled": get_labels_made(CONFIG.datasets[w.dataset]),
            "images": {"clip": get_clip_made(PLAN.runs[w.dataset, w.method, "base"].clip)},
        },
        spec=lambda w: {
            "clip": CONFIG.clip[PLAN.runs[w.dataset, w.method, "base"].clip].model_dump(),
            "weights": get_weights(PLAN.runs[w.dataset, w.method, "base"].clip),
            "shards": CONFIG.pools[CONFIG.datasets[w.dataset].pool].shards,
            "held_out": [CONFIG.datasets[w.dataset].calibrate_share, CONFIG.seed],
            **get_score_rule(w.dataset),
        },
    message:
        "Make a recogniser from {wildcards.method} on {wildcards.dataset}"
    script:
        "../workflow_scripts/recogniser.py"


rule predict:
    input:
        model="<results>/recognisers/{dataset}/{method}.safetensors",
        photos=lambda w: get_existing(f"datasets.{w.dataset}.photos.path", get_photos(w.dataset)),
        clip=lambda w: get_backbone(PLAN.runs[w.dataset, w.method, "base"].clip),
        code=lambda w: get_method_code("predict", w.method, PLAN.runs[w.dataset, w.method, "base"].clip),
    output:
        parquet="<results>/predictions/{dataset}/{method}.parquet",
        csv="<results>/predictions/{dataset}/{method}.csv",
        html="<results>/predictions/{dataset}/{method}.html",
        thumbnails=directory("<results>/predictions/{dataset}/{method}-thumbnails"),
    log:
        "<results>/logs/predict/{dataset}/{method}.log",
    benchmark:
        "<results>/benchmarks/predict/{dataset}/{method}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=1,
    params:
        holds=lambda w: {"model": get_model_made(PLAN.runs[w.dataset, w.method, "base"])},
        spec=lambda w: {
            "photos": get_photos(w.dataset),
            "weights": get_weights(PLAN.runs[w.dataset, w.method, "base"].clip),
            "listing": get_listing(w.dataset),
            "top": CONFIG.datasets[w.dataset].photos.top,
            "title": CONFIG.datasets[w.dataset].title,
        },
    message:
        "Predict the photos of {wildcards.dataset} by {wildcards.method}"
    script:
        "../workflow_scripts/predict.py"


rule predictions:
    """Target: the predictions of all recognisers for the photos."""
    input:
        get_predictions(),
