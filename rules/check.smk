"""Check before a run: are all models and data sets present and intact? Fetch what is not.

Inputs:
    resources/data_sources.csv      where to get what is missing
Outputs:
    check_data: none; findings are printed in the terminal
    fetch: data sets and models, outside the results
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
        # models as [kind, key, path or name, revision], sources by key, existing images as [key, source, pool, its source],
        # labels as [key, part, source, class list]
        spec={
            "models": [
                *(["clip", f"clip.{name}.model", clip.model] for name, clip in CONFIG.clip.items()),
                *(
                    ["text_to_image", f"text_to_image.{name}.model", t2i.model, t2i.revision]
                    for name, t2i in CONFIG.text_to_image.items()
                    if t2i.source == "diffusers"
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
                **{
                    f"text_to_image.{name}": get_existing_images(name).spec()
                    for name in get_image_names(existing=True)
                },
            },
            "existing": [
                [f"text_to_image.{t2i}", get_existing_images(t2i).spec(), pool, get_pool(pool).spec()]
                for pool in queries.pools(CONFIG, PLAN)
                for t2i, _ in queries.images_to_generate(PLAN, pool)
                if t2i in get_image_names(existing=True)
            ],
            "seed": CONFIG.seed,
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


rule fetch:
    """Target: download what check_data calls missing and what may be downloaded, into the documented layout."""
    input:
        table=get_resource("data_sources.csv"),
        code=get_code("fetch"),
    log:
        "<results>/logs/fetch.log",
    conda:
        ENV
    params:
        spec={"config": CONFIG.model_dump(mode="json")},
    message:
        "Fetch what the config needs"
    script:
        "../workflow_scripts/fetch.py"
