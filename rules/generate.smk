"""Generate images from captions by a text-to-image model, or take those that exist; read labelled images (section 3.1).

Inputs:
    captions/{pool}/selected.parquet                            captions to generate
    a diffusers pipeline, or images that exist already, as the config's `text_to_image` names them
    the labelled images of a data set, as the config's `datasets` name them; none for the micro world
Outputs:
    images/{pool}/{t2i}/sample{k}/shard-{i}.parquet             image k of each caption of shard i
    images/{pool}/{t2i}/sample{k}/shard-{i}-flagged.parquet     black, NaN, flagged, missing or broken: not used
    images/{test,train,validation}/{dataset}.parquet            labelled images, as bytes or as paths
    images/{test,train,validation}/{dataset}-rejects.parquet    rejected files, with the reason
"""


rule generate:
    input:
        captions="<results>/captions/{pool}/selected.parquet",
        model=lambda w: get_existing(f"text_to_image.{w.t2i}.model", *get_pipeline(w.t2i)),
        code=get_code("generate"),
    output:
        images="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
        flagged="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}-flagged.parquet",
    log:
        "<results>/logs/generate/{pool}/{t2i}/sample{sample}/shard-{shard}.log",
    benchmark:
        "<results>/benchmarks/generate/{pool}/{t2i}/sample{sample}/shard-{shard}.jsonl"
    wildcard_constraints:
        t2i=get_one_of(get_image_names(existing=False)),
    priority: lambda w: priorities.of_images(CONFIG, w.pool, w.t2i, int(w.sample))
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
        gpu=1,
        batch=lambda w: CONFIG.text_to_image[w.t2i].batch,
        compile=lambda w: COMPILE.index(CONFIG.text_to_image[w.t2i].compile),
    params:
        made=lambda w: get_images_made(w.pool, w.t2i),
        spec=lambda w: {
            "settings": CONFIG.text_to_image[w.t2i].deciding(),
            "weights": get_state(*get_pipeline(w.t2i)),
            "seed": CONFIG.seed,
            "shards": CONFIG.pools[w.pool].shards,
        },
    message:
        "Generate images: sample {wildcards.sample} of pool {wildcards.pool} (shard {wildcards.shard})"
    script:
        "../workflow_scripts/generate.py"


rule existing_images:
    input:
        captions="<results>/captions/{pool}/selected.parquet",
        files=lambda w: get_source_files(get_existing_images(w.t2i), f"text_to_image.{w.t2i}"),
        code=lambda w: get_source_code("existing_images", CONFIG.text_to_image[w.t2i]),
    output:
        images="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
        flagged="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}-flagged.parquet",
    log:
        "<results>/logs/existing_images/{pool}/{t2i}/sample{sample}/shard-{shard}.log",
    benchmark:
        "<results>/benchmarks/existing_images/{pool}/{t2i}/sample{sample}/shard-{shard}.jsonl"
    wildcard_constraints:
        t2i=get_one_of(get_image_names(existing=True)),
    priority: lambda w: priorities.of_images(CONFIG, w.pool, w.t2i, int(w.sample))
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        made=lambda w: get_images_made(w.pool, w.t2i),
        spec=lambda w: {
            "source": {**get_existing_images(w.t2i).spec(), "samples": SAMPLES},
            "state": get_state(*get_existing_images(w.t2i).reads()),
            "shards": CONFIG.pools[w.pool].shards,
        },
    message:
        "Read images of {wildcards.t2i}: sample {wildcards.sample} of pool {wildcards.pool} (shard {wildcards.shard})"
    script:
        "../workflow_scripts/existing_images.py"


rule labelled_images:
    input:
        files=lambda w: get_source_files(get_source(w.dataset, w.part), f"datasets.{w.dataset}.{w.part}"),
        classes=lambda w: (
            get_class_files(CONFIG.datasets[w.dataset].classes)
            if get_source(w.dataset, w.part).needs_class_list(get_class_names(w.dataset))
            else []
        ),
        code=lambda w: get_source_code("labelled_images", get_source(w.dataset, w.part)),
    output:
        images="<results>/images/{part}/{dataset}.parquet",
        rejects="<results>/images/{part}/{dataset}-rejects.parquet",
    log:
        "<results>/logs/labelled_images/{part}/{dataset}.log",
    benchmark:
        "<results>/benchmarks/labelled_images/{part}/{dataset}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        made=lambda w: {"classes": get_class_names(w.dataset)},
        spec=lambda w: {
            "source": get_source(w.dataset, w.part).spec(),
            "state": get_state(*get_source(w.dataset, w.part).reads()),
            "part": w.part,
            "seed": CONFIG.seed,
            "names": get_class_names(w.dataset),
            "classes": CONFIG.datasets[w.dataset].classes,
            "content": (
                load_classes(CONFIG.datasets[w.dataset].classes).digest
                if get_source(w.dataset, w.part).needs_class_list(get_class_names(w.dataset))
                else ""
            ),
        },
    message:
        "Read the {wildcards.part} images of {wildcards.dataset}"
    script:
        "../workflow_scripts/labelled_images.py"


rule images:
    """Target: all images, generated and labelled."""
    input:
        [
            file
            for pool in queries.pools(CONFIG, PLAN)
            for t2i, samples in queries.images_to_generate(PLAN, pool)
            for file in get_shards("images", pool, t2i, samples)
        ],
        [f"{RESULTS}/images/{part}/{dataset}.parquet" for part, dataset in queries.labelled_images(CONFIG, PLAN)],
