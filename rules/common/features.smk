"""Paths and values for the rules that run CLIP."""


def get_backbone(clip):
    """The files whose content stands for a backbone of the config; none for a name that is looked up elsewhere."""
    paths = backbones.files(CONFIG.clip[clip].model)
    return [file for path in paths for file in get_existing(str(path), f"clip.{clip}.model")]


def get_clip_input(wildcards):
    return get_backbone(wildcards.clip)


def get_image_code(wildcards):
    return get_backbone_code("features_images", wildcards.clip)


def get_caption_code(wildcards):
    return get_backbone_code("features_captions", wildcards.clip)


def get_template_code(wildcards):
    return get_backbone_code("features_templates", wildcards.clip)


def get_clip_spec(wildcards):
    """What decides a feature. The batch size does not, and so is no parameter."""
    return {"clip": CONFIG.clip[wildcards.clip].model_dump(exclude={"batch"})}


def get_text_spec(wildcards):
    return {"model": CONFIG.clip[wildcards.clip].model}


def get_clip_batch(wildcards):
    return CONFIG.clip[wildcards.clip].batch


def get_template_spec(wildcards):
    """Templates need the names of the classes, not their synonyms."""
    dataset = next(name for name in CONFIG.datasets if get_classes(name) == wildcards.classes)
    return {"model": CONFIG.clip[wildcards.clip].model, "classes": get_class_names(dataset)}


def get_image_features(part, dataset, clip):
    return f"{RESULTS}/features/{clip}/{part}/{dataset}.parquet"


def get_all_features(wildcards):
    """The features that the runs need."""
    trained = [run for run in PLAN.runs.values() if not run.sources]
    asked = [*READ_BY_ROWS, get_run_test, get_run_validation]
    files = {file for run in trained for get in asked for file in get(run)}
    return sorted(file for file in files if file.startswith(f"{RESULTS}/features/"))
