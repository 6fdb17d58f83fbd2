"""Read captions, label them by their nouns, list those to generate (paper, section 3.1).

Inputs:
    the files of a caption pool, as the config's `pools` name them; none for the micro world
    resources/classes/*.yaml                                class names, synonyms, blockers
Outputs:
    captions/{pool}/captions.parquet                        every caption, by id
    captions/{pool}/rejects.parquet                         captions that the reader rejects, with the reason
    captions/{pool}/{classes}-{filter}/labelled.parquet     captions with a class, and the spans of its words
    captions/{pool}/{classes}-{filter}/rejects.parquet      captions without a class, with the reason
    captions/{pool}/selected.parquet                        captions with a class of any data set: those to generate
"""


rule captions_read:
    input:
        files=lambda w: get_source_files(get_pool(w.pool), f"pools.{w.pool}"),
        code=lambda w: get_source_code("captions_read", get_pool(w.pool)),
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
        spec=lambda w: {
            "pool": get_pool(w.pool).spec(),
            "seed": CONFIG.seed,
            "state": get_state(*get_pool(w.pool).reads()),
        },
    message:
        "Read the captions of pool {wildcards.pool}"
    script:
        "../workflow_scripts/captions_read.py"


rule captions_label:
    input:
        captions="<results>/captions/{pool}/captions.parquet",
        classes=lambda w: get_class_files(get_labelled_data(w).classes),
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
        made=lambda w: get_labels_made(get_labelled_data(w)),
        spec=lambda w: {
            "filter": get_labelled_data(w).filter,
            "classes": get_labelled_data(w).classes,
            "content": load_classes(get_labelled_data(w).classes).digest,
            "words": get_labelled_data(w).words,
            "cap": get_labelled_data(w).cap,
        },
    message:
        "Label the captions of pool {wildcards.pool} by their nouns ({wildcards.labels})"
    script:
        "../workflow_scripts/captions_label.py"


rule captions_selected:
    input:
        labelled=lambda w: sorted(
            {get_labels_file("labelled", dataset, w.pool) for dataset in queries.readers(CONFIG, PLAN, w.pool)}
        ),
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
        "List the captions of pool {wildcards.pool} to generate"
    script:
        "../workflow_scripts/captions_selected.py"


rule captions:
    """Target: the captions of every pool with their labels."""
    input:
        [get_labels_file("labelled", dataset) for dataset in CONFIG.datasets],
        collect("<results>/captions/{pool}/selected.parquet", pool=queries.pools(CONFIG, PLAN)),
