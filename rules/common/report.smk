"""Paths and values for the rules that make the report's pictures and pages, the check and the plan."""


def get_per_class_spec(wildcards):
    return queries.per_class_spec(CONFIG, wildcards.dataset, get_class_names(wildcards.dataset)).plain()


def get_examples_spec(wildcards):
    """Names, and the seed that decides which examples are shown."""
    return {"classes": get_class_names(wildcards.dataset), "seed": CONFIG.seed}


def get_data_labelled(wildcards):
    return get_labelled(wildcards.dataset)


def get_data_rejects(wildcards):
    return get_labelled(wildcards.dataset).replace("labelled.parquet", "rejects.parquet")


def get_data_drawn(wildcards):
    """Image shards of the data set's pool, from the model that the runs use."""
    pool, t2i = CONFIG.datasets[wildcards.dataset].pool, CONFIG.use.text_to_image
    return get_shards(f"{RESULTS}/images", pool, t2i, CONFIG.text_to_image[t2i].samples)


def get_data_synthetic(wildcards):
    """Features of the first image of each caption."""
    pool, t2i = CONFIG.datasets[wildcards.dataset].pool, CONFIG.use.text_to_image
    return get_shards(f"{RESULTS}/features/{CONFIG.use.clip}/images", pool, t2i, 1) if get_drawings(pool) else []


def get_data_texts(wildcards):
    return f"{RESULTS}/features/{CONFIG.use.clip}/captions/{CONFIG.datasets[wildcards.dataset].pool}.parquet"


def get_data_test(wildcards):
    return get_image_features("test", wildcards.dataset, CONFIG.use.clip)


def get_data_metrics(wildcards):
    return get_metrics(queries.base_runs(PLAN, wildcards.dataset))


def get_data_histories(wildcards):
    runs = queries.trained_runs(PLAN, wildcards.dataset)
    return [f"{RESULTS}/runs/{run.path}/history.parquet" for run in runs]


def get_curves_spec(wildcards):
    return queries.curves_spec(CONFIG, PLAN, wildcards.dataset).plain()


def get_gap_metrics(wildcards):
    return get_metrics(queries.base_runs(PLAN, wildcards.dataset, queries.GAP_METHODS))


def get_gap_models(wildcards):
    runs = queries.base_runs(PLAN, wildcards.dataset, queries.PROMPT_METHODS)
    return [f"{RESULTS}/runs/{run.path}/model.safetensors" for run in runs]


def get_gap_spec(wildcards):
    return queries.gap_spec(CONFIG, PLAN, wildcards.dataset).plain()


def get_heat_model(wildcards):
    return f"{RESULTS}/runs/{queries.heat_map_run(PLAN, wildcards.dataset).path}/model.safetensors"


def get_heat_code(wildcards):
    return get_method_code("heat_maps", queries.heat_map_run(PLAN, wildcards.dataset).method)


def get_heat_spec(wildcards):
    run = queries.heat_map_run(PLAN, wildcards.dataset)
    crop = CONFIG.clip[run.clip].crop
    names = get_class_names(wildcards.dataset)
    return {"method": run.method, "settings": dict(run.settings), "crop": crop, "classes": names, "seed": CONFIG.seed}


def get_report_files():
    """The pictures that the config's methods allow."""
    names = [(Path(name), dataset) for dataset in CONFIG.datasets for name in queries.pictures(CONFIG, PLAN, dataset)]
    return [f"{RESULTS}/report/{name.stem}-{dataset}{name.suffix}" for name, dataset in names]


def get_check_spec():
    """What the config needs from outside: models as [kind, key, path or name, perhaps a revision], and sources by key."""
    models = [["clip", f"clip.{name}.model", clip.model] for name, clip in CONFIG.clip.items()]
    models += [
        ["text_to_image", f"text_to_image.{name}.model", t2i.model, t2i.revision]
        for name, t2i in CONFIG.text_to_image.items()
    ]
    sources = {f"pools.{name}": get_pool(name) for name in get_pools()}
    sources |= {f"datasets.{name}.{part}": get_source(name, part) for part, name in get_labelled_images()}
    for name in get_photographed():
        sources[f"datasets.{name}.photos"] = located(CONFIG.datasets[name].photos.images, CONFIG.data_dir)
    return {"models": models, "sources": {key: source.spec() for key, source in sources.items()}}


def get_cost_spec():
    """The config, where its results go, and how many tables, figures and pictures there are: a job makes each."""
    return {"config": CONFIG.model_dump(mode="json"), "results": RESULTS, "pages": len(get_everything())}
