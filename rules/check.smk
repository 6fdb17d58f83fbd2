"""Check before a run: are all models and data sets present and intact?

Inputs:
    resources/data_sources.csv      where to get what is missing
Outputs:
    none; findings are printed in the terminal
"""


rule check_data:
    """Target: list the models and data sets that are missing or damaged, and where to get them."""
    input:
        table=get_resource("data_sources.csv"),
        code=get_code("check_data"),
    log:
        "<results>/logs/check_data.log",
    conda:
        ENV
    params:
        # models as [kind, key, path or name, revision], sources by key, labels as [key, part, source, class list]
        spec={
            "models": [
                *(["clip", f"clip.{name}.model", clip.model] for name, clip in CONFIG.clip.items()),
                *(
                    ["text_to_image", f"text_to_image.{name}.model", t2i.model, t2i.revision]
                    for name, t2i in CONFIG.text_to_image.items()
                ),
            ],
            "sources": {
                **{f"pools.{name}": get_pool(name).spec() for name in queries.pools(CONFIG, PLAN)},
                **{
                    f"datasets.{name}.{part}": get_source(name, part).spec()
                    for part, name in queries.labelled_images(CONFIG, PLAN)
                },
                **{
                    f"datasets.{name}.photos": located(CONFIG.datasets[name].photos.images, CONFIG.data_dir).spec()
                    for name in queries.photo_datasets(CONFIG)
                },
            },
            "labels": [
                [f"datasets.{name}.{part}", part, get_source(name, part).spec(), CONFIG.datasets[name].classes]
                for part, name in needs_each_class(CONFIG, PLAN)
            ],
            "notes": NOTES,
        },
    message:
        "Check the models and data sets that the config names"
    script:
        "../workflow_scripts/check_data.py"
