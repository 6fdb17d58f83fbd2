"""Predictions: what a trained recogniser says of photos without labels (users' own; the paper has no such step).

Inputs:
    runs/{dataset}/{method}/base/model.safetensors, and labelled validation images if there are any: for a threshold
    the folder that the config's `datasets` name as `photos`
    captions/{pool}/{labels}/labelled.parquet
Outputs:
    captions/{pool}/{labels}/words.parquet              the words that stood for each class, and the captions they found
    recognisers/{dataset}/{method}.safetensors          one file with all that predicting needs (t2ipal predict)
    predictions/{dataset}/{method}.{parquet,csv}        a row per photo: labels, and a score per class
    predictions/{dataset}/{method}.html                 the photos with their labels, scores and heat maps
    predictions/{dataset}/{method}-thumbnails           of more photos than one page can hold; else empty
"""


rule class_words:
    input:
        labelled="<results>/captions/{pool}/{labels}/labelled.parquet",
        classes=get_labels_classes,
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
        spec=get_words_spec,
    message:
        "Captions: the words that stand for {wildcards.labels}"
    script:
        "../workflow_scripts/class_words.py"


rule recogniser:
    input:
        model="<results>/runs/{dataset}/{method}/base/model.safetensors",
        validation=get_base_validation,
        validation_images=get_validation_images,
        clip=get_predict_clip,
        code=get_recogniser_code,
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
        spec=get_recogniser_spec,
    message:
        "Predictions: make a recogniser of {wildcards.method} on {wildcards.dataset}"
    script:
        "../workflow_scripts/recogniser.py"


rule predict:
    input:
        model="<results>/recognisers/{dataset}/{method}.safetensors",
        photos=get_predict_folder,
        clip=get_predict_clip,
        code=get_predict_code,
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
        spec=get_predict_spec,
    message:
        "Predictions: {wildcards.method} on the photos of {wildcards.dataset}"
    script:
        "../workflow_scripts/predict.py"


rule predictions:
    """Target: what the recognisers say of the photos."""
    input:
        get_predictions(),
