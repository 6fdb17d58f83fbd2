"""Pictures for the report: what a person looks at beside the tables (paper, Figures 1 and 5).

`make reproduce` and `snakemake --report results/{name}/report.html` put them on one page, with tables and figures.

Inputs:
    captions, images, features and runs of a data set
Outputs:
    report/captions-{dataset}.html                  captions with their nouns marked, and some that were left out
    report/contact_sheet-{dataset}.png              captions with the images drawn from them
    report/generated-{dataset}.csv                      images drawn, drawn again, left out
    report/heat_maps-{dataset}.png                  where classes look in test images (eq. 4)
    report/per_class-{dataset}.{png,svg}            average precision of each class
    report/training_curves-{dataset}.{png,svg}      losses over epochs
    report/modality_gap-{dataset}.{png,svg,csv}     distance of the mean image and the mean text feature
"""


rule captions_page:
    input:
        labelled=get_data_labelled,
        rejects=get_data_rejects,
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
        spec=get_examples_spec,
    message:
        "Report: captions of {wildcards.dataset} with their nouns"
    script:
        "../workflow_scripts/captions_page.py"


rule contact_sheet:
    input:
        labelled=get_data_labelled,
        images=get_data_drawn,
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
        spec=get_examples_spec,
    message:
        "Report: captions of {wildcards.dataset} with their images"
    script:
        "../workflow_scripts/contact_sheet.py"


rule heat_maps:
    input:
        model=get_heat_model,
        images="<results>/images/test/{dataset}.parquet",
        features=get_data_test,
        code=get_heat_code,
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
        spec=get_heat_spec,
    message:
        "Report: heat maps on test images of {wildcards.dataset}"
    script:
        "../workflow_scripts/heat_maps.py"


rule per_class:
    input:
        metrics=get_data_metrics,
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
        spec=get_per_class_spec,
    message:
        "Report: AP of each class of {wildcards.dataset}"
    script:
        "../workflow_scripts/per_class.py"


rule training_curves:
    input:
        histories=get_data_histories,
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
        spec=get_curves_spec,
    message:
        "Report: training losses on {wildcards.dataset}"
    script:
        "../workflow_scripts/training_curves.py"


rule modality_gap:
    input:
        captions=get_data_texts,
        synthetic=get_data_synthetic,
        test=get_data_test,
        metrics=get_gap_metrics,
        models=get_gap_models,
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
        spec=get_gap_spec,
    message:
        "Report: modality gap on {wildcards.dataset}"
    script:
        "../workflow_scripts/modality_gap.py"


rule report:
    """Target: all that the report page shows."""
    input:
        get_everything(),
