"""Images: drawn from captions by a text-to-image model, and the labelled images of the data sets (paper, section 3.1).

Inputs:
    captions/{pool}/selected.parquet                       captions to draw
    a diffusers pipeline, as the config's `text_to_image` names it
    the labelled images of a data set, as the config's `datasets` name them; none for the micro world
Outputs:
    images/{pool}/{t2i}/sample{k}/shard-{i}.parquet     image k of each caption of shard i; a further k costs only itself
    images/{pool}/{t2i}/sample{k}/shard-{i}-flagged.parquet     those that are black, NaN or flagged: not to be used
    images/{test,train}/{dataset}.parquet               labelled images, as bytes or as paths
    images/{test,train}/{dataset}-rejects.parquet       files that are no images, with the reason
"""


rule generate:
    input:
        captions="<results>/captions/{pool}/selected.parquet",
        model=get_t2i_input,
        code=get_code("generate"),
    output:
        images="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
        flagged="<results>/images/{pool}/{t2i}/sample{sample}/shard-{shard}-flagged.parquet",
    log:
        "<results>/logs/generate/{pool}/{t2i}/sample{sample}/shard-{shard}.log",
    benchmark:
        "<results>/benchmarks/generate/{pool}/{t2i}/sample{sample}/shard-{shard}.jsonl"
    priority: lambda w: priorities.of_images(CONFIG, w.pool, w.t2i, int(w.sample))
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=720,
        gpu=1,
        batch=get_draw_batch,
        compile=get_draw_compile,
    params:
        spec=get_draw_spec,
    message:
        "Images: draw sample {wildcards.sample} of pool {wildcards.pool} (shard {wildcards.shard})"
    script:
        "../workflow_scripts/generate.py"


rule labelled_images:
    input:
        files=get_source_files,
        classes=get_matched_classes,
        code=get_labelled_images_code,
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
        spec=get_source_spec,
    message:
        "Images: read the {wildcards.part} images of {wildcards.dataset}"
    script:
        "../workflow_scripts/labelled_images.py"


rule images:
    """Target: all images, drawn and labelled."""
    input:
        [
            file
            for pool in get_pools()
            for t2i, samples in get_drawings(pool)
            for file in get_shards(f"{RESULTS}/images", pool, t2i, samples)
        ],
        [f"{RESULTS}/images/{part}/{dataset}.parquet" for part, dataset in get_labelled_images()],
