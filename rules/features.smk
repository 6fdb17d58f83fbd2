"""Encode every caption and image once by the frozen CLIP: global and local features (paper, section 3.2).

Inputs:
    images/.../shard-{i}.parquet, images/{part}/{dataset}.parquet, captions/{pool}/selected.parquet, class lists
    a CLIP, as the config's `clip` names it
Outputs:
    features/{clip}/images/{pool}/{t2i}/sample{k}/shard-{i}.parquet     generated images
    features/{clip}/{test,train,validation}/{dataset}.parquet           labelled images
    features/{clip}/captions/{pool}.parquet                             captions, ragged over their tokens
    features/{clip}/templates/{classes}.parquet                         prompt templates with each class name
"""


rule features_generated:
    input:
        images="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
        model=lambda w: get_backbone(w.clip),
        code=lambda w: get_backbone_code("features_images", w.clip),
    output:
        features="<results>/features/{clip}/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
    log:
        "<results>/logs/features_generated/{clip}/{pool}/{t2i}/sample{sample}/shard-{shard}.log",
    benchmark:
        "<results>/benchmarks/features_generated/{clip}/{pool}/{t2i}/sample{sample}/shard-{shard}.jsonl"
    priority: lambda w: priorities.of_image_features(CONFIG, w.clip, w.pool, w.t2i, int(w.sample))
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=1,
        batch=lambda w: CONFIG.clip[w.clip].batch,
    params:
        made=get_generated_features_made,
        holds=lambda w: {"images": get_images_made(w.pool, w.t2i)},
        spec=lambda w: {"clip": CONFIG.clip[w.clip].model_dump(exclude={"batch"}), "weights": get_weights(w.clip)},
    message:
        "Encode generated images: sample {wildcards.sample} of pool {wildcards.pool} (shard {wildcards.shard})"
    script:
        "../workflow_scripts/features_images.py"


rule features_labelled:
    input:
        images="<results>/images/{part}/{dataset}.parquet",
        model=lambda w: get_backbone(w.clip),
        code=lambda w: get_backbone_code("features_images", w.clip),
    output:
        features="<results>/features/{clip}/{part}/{dataset}.parquet",
    log:
        "<results>/logs/features_labelled/{clip}/{part}/{dataset}.log",
    benchmark:
        "<results>/benchmarks/features_labelled/{clip}/{part}/{dataset}.jsonl"
    priority: lambda w: priorities.of_labelled_features(CONFIG, w.clip)
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=1,
        batch=lambda w: CONFIG.clip[w.clip].batch,
    params:
        made=get_labelled_features_made,
        spec=lambda w: {"clip": CONFIG.clip[w.clip].model_dump(exclude={"batch"}), "weights": get_weights(w.clip)},
    message:
        "Encode the {wildcards.part} images of {wildcards.dataset}"
    script:
        "../workflow_scripts/features_images.py"


rule features_captions:
    input:
        captions="<results>/captions/{pool}/selected.parquet",
        model=lambda w: get_backbone(w.clip),
        code=lambda w: get_backbone_code("features_captions", w.clip),
    output:
        features="<results>/features/{clip}/captions/{pool}.parquet",
    log:
        "<results>/logs/features_captions/{clip}/{pool}.log",
    benchmark:
        "<results>/benchmarks/features_captions/{clip}/{pool}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=1,
        batch=lambda w: CONFIG.clip[w.clip].batch,
    params:
        made=lambda w: {"clip": get_text_clip_made(w.clip)},
        spec=lambda w: {**get_text_clip_made(w.clip), "weights": get_weights(w.clip)},
    message:
        "Encode the captions of pool {wildcards.pool}"
    script:
        "../workflow_scripts/features_captions.py"


rule features_templates:
    input:
        patterns=get_resource("templates.yaml"),
        model=lambda w: get_backbone(w.clip),
        code=lambda w: get_backbone_code("features_templates", w.clip),
    output:
        features="<results>/features/{clip}/templates/{classes}.parquet",
    log:
        "<results>/logs/features_templates/{clip}/{classes}.log",
    benchmark:
        "<results>/benchmarks/features_templates/{clip}/{classes}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        gpu=1,
        batch=lambda w: CONFIG.clip[w.clip].batch,
    params:
        made=lambda w: get_templates_made(w.clip, queries.classes_owner(CONFIG, w.classes)),
        spec=lambda w: {
            **get_text_clip_made(w.clip),
            "weights": get_weights(w.clip),
            "classes": get_class_names(queries.classes_owner(CONFIG, w.classes)),
        },
    message:
        "Encode the prompt templates of {wildcards.classes}"
    script:
        "../workflow_scripts/features_templates.py"


rule features:
    """Target: the features of all captions and images that runs read."""
    input:
        [f"{RESULTS}/features/{name}.parquet" for name in queries.features(CONFIG, PLAN)],
