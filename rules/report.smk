"""Make the pictures of the report (paper, Figures 1 and 5).

`make reproduce` and `snakemake --report results/{name}/report.html` put them on one page with the tables and figures.

Inputs:
    captions, images, features and runs of a data set
Outputs:
    report/captions-{dataset}.html                  captions with their nouns marked, and some rejected ones
    report/contact_sheet-{dataset}.png              captions with the images generated from them
    report/generated-{dataset}.csv                  counts of images: generated, retried, left out
    report/image_audit-{dataset}.{html,csv}         what another CLIP says of the generated images, the worst and best
    report/heat_maps-{dataset}.png                  where classes look in test images (eq. 4)
    report/per_class-{dataset}.{png,svg}            average precision of each class
    report/training_curves-{dataset}.{png,svg}      losses over epochs
    report/modality_gap-{dataset}.{png,svg,csv}     distance of the mean image and the mean text feature
"""


rule captions_page:
    input:
        labelled=lambda w: get_labels_file("labelled", w.dataset),
        rejects=lambda w: get_labels_file("rejects", w.dataset),
        code=get_code("captions_page"),
    output:
        html=report(
            "<results>/report/captions-{dataset}.html",
            caption="../report/captions.rst",
            category="Examples",
            labels={"shows": "captions and their labels", "data set": "{dataset}"},
        ),
    log:
        "<results>/logs/captions_page/{dataset}.log",
    benchmark:
        "<results>/benchmarks/captions_page/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"labelled": get_labels_made(CONFIG.datasets[w.dataset])},
        spec=lambda w: {"classes": get_class_names(w.dataset), "seed": CONFIG.seed},
    message:
        "Show captions of {wildcards.dataset} with their nouns"
    script:
        "../workflow_scripts/captions_page.py"


rule contact_sheet:
    input:
        labelled=lambda w: get_labels_file("labelled", w.dataset),
        images=lambda w: get_shards(
            "images",
            CONFIG.datasets[w.dataset].pool,
            CONFIG.use.text_to_image,
            CONFIG.text_to_image[CONFIG.use.text_to_image].samples,
        ),
        code=get_code("contact_sheet"),
    output:
        png=report(
            "<results>/report/contact_sheet-{dataset}.png",
            caption="../report/contact_sheet.rst",
            category="Examples",
            labels={"shows": "captions and their images", "data set": "{dataset}"},
        ),
        counts="<results>/report/generated-{dataset}.csv",
    log:
        "<results>/logs/contact_sheet/{dataset}.log",
    benchmark:
        "<results>/benchmarks/contact_sheet/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        holds=lambda w: {
            "labelled": get_labels_made(CONFIG.datasets[w.dataset]),
            "images": get_images_made(CONFIG.datasets[w.dataset].pool, CONFIG.use.text_to_image),
        },
        spec=lambda w: {"classes": get_class_names(w.dataset), "seed": CONFIG.seed},
    message:
        "Show captions of {wildcards.dataset} with their images"
    script:
        "../workflow_scripts/contact_sheet.py"


rule heat_maps:
    input:
        model=lambda w: f"{RESULTS}/runs/{queries.heat_map_run(PLAN, w.dataset).path}/model.safetensors",
        images="<results>/images/test/{dataset}.parquet",
        features=lambda w: f"{RESULTS}/features/{CONFIG.use.clip}/test/{w.dataset}.parquet",
        code=lambda w: get_method_code("heat_maps", queries.heat_map_run(PLAN, w.dataset).method),
    output:
        png=report(
            "<results>/report/heat_maps-{dataset}.png",
            caption="../report/heat_maps.rst",
            category="Examples",
            labels={"shows": "heat maps on test images", "data set": "{dataset}"},
        ),
    log:
        "<results>/logs/heat_maps/{dataset}.log",
    benchmark:
        "<results>/benchmarks/heat_maps/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        holds=lambda w: {
            "model": get_model_made(queries.heat_map_run(PLAN, w.dataset)),
            "images": {"classes": get_class_names(w.dataset)},
            "features": {"clip": get_clip_made(CONFIG.use.clip)},
        },
        spec=lambda w: {
            "method": queries.heat_map_run(PLAN, w.dataset).method,
            "settings": dict(queries.heat_map_run(PLAN, w.dataset).settings),
            "crop": CONFIG.clip[queries.heat_map_run(PLAN, w.dataset).clip].crop,
            "classes": get_class_names(w.dataset),
            "seed": CONFIG.seed,
        },
    message:
        "Show heat maps on test images of {wildcards.dataset}"
    script:
        "../workflow_scripts/heat_maps.py"


rule image_audit:
    input:
        labelled=lambda w: get_labels_file("labelled", w.dataset),
        images=lambda w: get_shards("images", CONFIG.datasets[w.dataset].pool, CONFIG.use.text_to_image, 1),
        features=lambda w: get_shards(
            f"features/{queries.audit_judge(CONFIG, PLAN, w.dataset)}/images",
            CONFIG.datasets[w.dataset].pool,
            CONFIG.use.text_to_image,
            1,
        ),
        others=lambda w: [
            file
            for t2i in queries.audited(CONFIG, PLAN, w.dataset)[1:]
            for file in get_shards(
                f"features/{queries.audit_judge(CONFIG, PLAN, w.dataset)}/images",
                CONFIG.datasets[w.dataset].pool,
                t2i,
                1,
            )
        ],
        captions=lambda w: get_judged(w.dataset, f"captions/{CONFIG.datasets[w.dataset].pool}"),
        templates=lambda w: get_judged(w.dataset, f"templates/{queries.classes_name(CONFIG, w.dataset)}"),
        real=lambda w: get_judged(w.dataset, f"{queries.audit_part(CONFIG, w.dataset)}/{w.dataset}"),
        real_images=lambda w: f"{RESULTS}/images/{queries.audit_part(CONFIG, w.dataset)}/{w.dataset}.parquet",
        code=get_code("image_audit"),
    output:
        html=report(
            "<results>/report/image_audit-{dataset}.html",
            caption="../report/image_audit.rst",
            category="Examples",
            labels={"shows": "images under audit", "data set": "{dataset}"},
        ),
        csv="<results>/report/image_audit-{dataset}.csv",
    log:
        "<results>/logs/image_audit/{dataset}.log",
    benchmark:
        "<results>/benchmarks/image_audit/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        holds=lambda w: {
            "labelled": get_labels_made(CONFIG.datasets[w.dataset]),
            "images": get_images_made(CONFIG.datasets[w.dataset].pool, CONFIG.use.text_to_image),
            **dict.fromkeys(
                ("features", "others", "real"), {"clip": get_clip_made(queries.audit_judge(CONFIG, PLAN, w.dataset))}
            ),
            "captions": {"clip": get_text_clip_made(queries.audit_judge(CONFIG, PLAN, w.dataset))},
            "templates": get_templates_made(queries.audit_judge(CONFIG, PLAN, w.dataset), w.dataset),
            "real_images": {"classes": get_class_names(w.dataset)},
        },
        spec=lambda w: {
            "classes": get_class_names(w.dataset),
            "seed": CONFIG.seed,
            "title": CONFIG.datasets[w.dataset].title,
            "judge": f"CLIP {queries.audit_judge(CONFIG, PLAN, w.dataset)}",
            "circular": queries.audit_judge(CONFIG, PLAN, w.dataset) == CONFIG.use.clip,
            "models": queries.audited(CONFIG, PLAN, w.dataset),
            "shards": CONFIG.pools[CONFIG.datasets[w.dataset].pool].shards,
        },
    message:
        "Audit the generated images of {wildcards.dataset}"
    script:
        "../workflow_scripts/image_audit.py"


rule per_class:
    input:
        metrics=lambda w: get_metrics(queries.base_runs(PLAN, w.dataset)),
        code=get_code("per_class"),
    output:
        png=report(
            "<results>/report/per_class-{dataset}.png",
            caption="../report/per_class.rst",
            category="Figures",
            labels={"shows": "AP of each class", "data set": "{dataset}"},
        ),
        svg="<results>/report/per_class-{dataset}.svg",
    log:
        "<results>/logs/per_class/{dataset}.log",
    benchmark:
        "<results>/benchmarks/per_class/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"metrics": get_metrics_made(queries.base_runs(PLAN, w.dataset))},
        spec=lambda w: queries.per_class_spec(CONFIG, w.dataset, get_class_names(w.dataset)).plain(),
    message:
        "Plot the AP of each class of {wildcards.dataset}"
    script:
        "../workflow_scripts/per_class.py"


rule training_curves:
    input:
        histories=lambda w: [
            f"{RESULTS}/runs/{run.path}/history.parquet" for run in queries.trained_runs(PLAN, w.dataset)
        ],
        code=get_code("training_curves"),
    output:
        png=report(
            "<results>/report/training_curves-{dataset}.png",
            caption="../report/training_curves.rst",
            category="Figures",
            labels={"shows": "training losses", "data set": "{dataset}"},
        ),
        svg="<results>/report/training_curves-{dataset}.svg",
    log:
        "<results>/logs/training_curves/{dataset}.log",
    benchmark:
        "<results>/benchmarks/training_curves/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        holds=lambda w: {"histories": [get_model_made(run) for run in queries.trained_runs(PLAN, w.dataset)]},
        spec=lambda w: queries.curves_spec(CONFIG, PLAN, w.dataset).plain(),
    message:
        "Plot the training losses on {wildcards.dataset}"
    script:
        "../workflow_scripts/training_curves.py"


rule modality_gap:
    input:
        captions=lambda w: f"{RESULTS}/features/{CONFIG.use.clip}/captions/{CONFIG.datasets[w.dataset].pool}.parquet",
        synthetic=lambda w: (
            get_shards(
                f"features/{CONFIG.use.clip}/images", CONFIG.datasets[w.dataset].pool, CONFIG.use.text_to_image, 1
            )
            if queries.images_to_generate(PLAN, CONFIG.datasets[w.dataset].pool)
            else []
        ),
        test=lambda w: f"{RESULTS}/features/{CONFIG.use.clip}/test/{w.dataset}.parquet",
        metrics=lambda w: get_metrics(queries.base_runs(PLAN, w.dataset, queries.GAP_METHODS)),
        models=lambda w: [
            f"{RESULTS}/runs/{run.path}/model.safetensors"
            for run in queries.base_runs(PLAN, w.dataset, queries.PROMPT_METHODS)
        ],
        code=get_code("modality_gap"),
    output:
        png=report(
            "<results>/report/modality_gap-{dataset}.png",
            caption="../report/modality_gap.rst",
            category="Figures",
            labels={"shows": "modality gap", "data set": "{dataset}"},
        ),
        svg="<results>/report/modality_gap-{dataset}.svg",
        csv="<results>/report/modality_gap-{dataset}.csv",
    log:
        "<results>/logs/modality_gap/{dataset}.log",
    benchmark:
        "<results>/benchmarks/modality_gap/{dataset}.jsonl"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        holds=lambda w: {
            **dict.fromkeys(("synthetic", "test"), {"clip": get_clip_made(CONFIG.use.clip)}),
            "captions": {"clip": get_text_clip_made(CONFIG.use.clip)},
            "metrics": get_metrics_made(queries.base_runs(PLAN, w.dataset, queries.GAP_METHODS)),
            "models": [get_model_made(run) for run in queries.base_runs(PLAN, w.dataset, queries.PROMPT_METHODS)],
        },
        spec=lambda w: queries.gap_spec(CONFIG, PLAN, w.dataset).plain(),
    message:
        "Plot the modality gap on {wildcards.dataset}"
    script:
        "../workflow_scripts/modality_gap.py"


rule report:
    """Target: all tables, figures and pictures of the report page."""
    input:
        get_everything(),
