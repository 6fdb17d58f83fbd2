"""Paths and values for the rules that make the report's pictures and pages, the check and the plan."""


def get_data_spec(wildcards):
    """What the report's pictures say of a data set."""
    methods = [get_method_row(name) for name in CONFIG.methods]
    return {
        "dataset": get_data_row(wildcards.dataset),
        "methods": methods,
        "classes": get_class_names(wildcards.dataset),
    }


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
    return get_metrics(get_base_runs(wildcards.dataset))


def get_trained_runs(dataset):
    return [run for run in get_base_runs(dataset) if run.kinds]


def get_data_histories(wildcards):
    return [f"{RESULTS}/runs/{run.path}/history.parquet" for run in get_trained_runs(wildcards.dataset)]


def get_curves_spec(wildcards):
    methods = [get_method_row(run.method) for run in get_trained_runs(wildcards.dataset)]
    return {"dataset": get_data_row(wildcards.dataset), "methods": methods}


def get_gap_runs(dataset):
    """What the gap costs: one method learns on the side of the texts, one on the side of the images."""
    return [run for run in get_base_runs(dataset) if run.method in ("tai_dpt", "oracle")]


def get_gap_metrics(wildcards):
    return get_metrics(get_gap_runs(wildcards.dataset))


def get_prompt_runs(dataset):
    """The methods with class prompts: before training ZSCLIP's, after it those that were learned."""
    return [run for run in get_base_runs(dataset) if run.method in ("zsclip", "tai_dpt", "t2i_pal", "oracle")]


def get_gap_models(wildcards):
    return [f"{RESULTS}/runs/{run.path}/model.safetensors" for run in get_prompt_runs(wildcards.dataset)]


def get_gap_spec(wildcards):
    methods = [get_method_row(run.method) for run in get_gap_runs(wildcards.dataset)]
    prompts = [get_method_row(run.method) for run in get_prompt_runs(wildcards.dataset)]
    return {"dataset": get_data_row(wildcards.dataset), "methods": methods, "prompts": prompts}


def get_heat_runs(dataset):
    """The runs whose method has heat maps, T2I-PAL's first."""
    runs = [run for run in get_base_runs(dataset) if hasattr(method_of(run.method), "heat_maps")]
    return sorted(runs, key=lambda run: run.method != "t2i_pal")


def get_heat_model(wildcards):
    return f"{RESULTS}/runs/{get_heat_runs(wildcards.dataset)[0].path}/model.safetensors"


def get_heat_code(wildcards):
    return get_method_code("heat_maps", get_heat_runs(wildcards.dataset)[0].method)


def get_heat_spec(wildcards):
    run = get_heat_runs(wildcards.dataset)[0]
    crop = CONFIG.clip[run.clip].crop
    names = get_class_names(wildcards.dataset)
    return {"method": run.method, "settings": dict(run.settings), "crop": crop, "classes": names, "seed": CONFIG.seed}


def get_report_files():
    """The pictures that the config's methods allow."""
    files = []
    for dataset, data in CONFIG.datasets.items():
        names = ["captions.html"]
        names += ["contact_sheet.png"] if get_drawings(data.pool) else []
        names += ["training_curves.png"] if get_trained_runs(dataset) else []
        if data.test:
            names += ["per_class.png"]
            names += ["heat_maps.png"] if get_heat_runs(dataset) else []
            names += ["modality_gap.png"] if get_gap_runs(dataset) else []
        files += [f"{RESULTS}/report/{Path(name).stem}-{dataset}{Path(name).suffix}" for name in names]
    return files


def get_check_spec():
    """What the config needs from outside: models as [kind, key, path or name, perhaps a revision], pools and images as readers take them."""
    models = [["clip", f"clip.{name}.model", clip.model] for name, clip in CONFIG.clip.items()]
    models += [
        ["text_to_image", f"text_to_image.{name}.model", t2i.model, t2i.revision]
        for name, t2i in CONFIG.text_to_image.items()
    ]
    images = {f"datasets.{name}.{part}": get_source(name, part) for part, name in get_labelled_images()}
    images |= {f"datasets.{name}.photos": {"source": "folder", "path": get_photos(name)} for name in get_photographed()}
    return {
        "models": models,
        "pools": {f"pools.{name}": get_pool(name) for name in get_pools()},
        "images": images,
    }


def get_cost_spec():
    """The config, where its results go, and how many tables, figures and pictures there are: a job makes each."""
    return {"config": CONFIG.model_dump(mode="json"), "results": RESULTS, "pages": len(get_everything())}
