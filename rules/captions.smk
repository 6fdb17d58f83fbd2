"""Captions: read, labelled by their nouns, and listed for drawing (paper, section 3.1).

Inputs:
    the files of a caption pool, as the config's `pools` name them; none for the micro world
    resources/classes/*.yaml                                class names, synonyms, blockers
Outputs:
    captions/{pool}/captions.parquet                        every caption, by id
    captions/{pool}/rejects.parquet                         what the reader left out, with the reason
    captions/{pool}/{classes}-{filter}/labelled.parquet     captions with a class, and the spans that say why
    captions/{pool}/{classes}-{filter}/rejects.parquet      captions without one, with the reason
    captions/{pool}/selected.parquet                           what the data sets keep together: each is drawn once
"""


rule captions_read:
    input:
        files=get_pool_files,
        code=get_pool_code,
    output:
        captions="<results>/captions/{pool}/captions.parquet",
        rejects="<results>/captions/{pool}/rejects.parquet",
    log:
        "<results>/logs/captions_read/{pool}.log",
    benchmark:
        "<results>/benchmarks/captions_read/{pool}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        spec=get_pool_spec,
    message:
        "Captions: read pool {wildcards.pool}"
    script:
        "../workflow_scripts/captions_read.py"


rule captions_label:
    input:
        captions="<results>/captions/{pool}/captions.parquet",
        classes=get_labels_classes,
        code=get_code("captions_label"),
    output:
        labelled="<results>/captions/{pool}/{labels}/labelled.parquet",
        rejects="<results>/captions/{pool}/{labels}/rejects.parquet",
    log:
        "<results>/logs/captions_label/{pool}/{labels}.log",
    benchmark:
        "<results>/benchmarks/captions_label/{pool}/{labels}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        spec=get_filter_spec,
    message:
        "Captions: find the nouns of {wildcards.labels} in pool {wildcards.pool}"
    script:
        "../workflow_scripts/captions_label.py"


rule captions_selected:
    input:
        labelled=get_pool_labelled,
        code=get_code("captions_selected"),
    output:
        selected="<results>/captions/{pool}/selected.parquet",
    log:
        "<results>/logs/captions_selected/{pool}.log",
    benchmark:
        "<results>/benchmarks/captions_selected/{pool}.jsonl"
    priority: FIRST
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "Captions: list what pool {wildcards.pool} is to draw"
    script:
        "../workflow_scripts/captions_selected.py"


rule captions:
    """Target: the captions of every pool with their labels."""
    input:
        [get_labelled(dataset) for dataset in CONFIG.datasets],
        collect("<results>/captions/{pool}/selected.parquet", pool=get_pools()),
