"""Paths and values for the rules that predict photos."""


def get_photographed():
    """The data sets with photos to predict, in the config's order."""
    return [name for name, dataset in CONFIG.datasets.items() if dataset.photos]


def get_photos(dataset):
    """The folder of a data set's photos."""
    return located(CONFIG.datasets[dataset].photos, CONFIG.data_dir).path


def get_predictions():
    """A page of each method's predictions for each data set with photos, and the words that its captions were read by."""
    datasets = get_photographed()
    pages = [f"{RESULTS}/predictions/{dataset}/{name}.html" for dataset in datasets for name in CONFIG.methods]
    words = [get_labelled(dataset).replace("labelled.parquet", "words.parquet") for dataset in datasets]
    return [*pages, *sorted(set(words))]


def get_words_spec(wildcards):
    return {"classes": get_labels_data(wildcards).classes}


def get_base_run(wildcards):
    return PLAN.runs[wildcards.dataset, wildcards.method, "base"]


def get_base_validation(wildcards):
    run = get_base_run(wildcards)
    has = CONFIG.datasets[run.dataset].validation
    return [get_image_features("validation", run.dataset, run.clip)] if has else []


def get_recogniser_code(wildcards):
    return get_method_code("recogniser", wildcards.method)


def get_recogniser_spec(wildcards):
    """Which CLIP made the features that the run learned from, and how many images at a time."""
    return {"clip": CONFIG.clip[get_base_run(wildcards).clip].model_dump()}


def get_predict_code(wildcards):
    return get_method_code("predict", wildcards.method, get_base_run(wildcards).clip)


def get_predict_clip(wildcards):
    return get_backbone(get_base_run(wildcards).clip)


def get_predict_folder(wildcards):
    return get_existing(get_photos(wildcards.dataset), f"datasets.{wildcards.dataset}.photos.path")


def get_predict_spec(wildcards):
    """What is predicted: the listing changes with any photo, so that a new one is seen wherever it lies."""
    photos, data = get_photos(wildcards.dataset), CONFIG.datasets[wildcards.dataset]
    seen = listing(photos) if get_predict_folder(wildcards) else None
    return {"photos": photos, "listing": seen, "top": data.photos.top, "title": data.title}
