"""What the rules share: the validated config, the plan of runs, and short functions that answer with paths and values.

Every answer about a run, a data set or a model comes from CONFIG and PLAN; no rule reads the raw config.
"""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = str(workflow.basedir)
sys.path[:0] = [ROOT, os.path.join(ROOT, "workflow_scripts")]

from cluster import end_orphans
from driver import code_of, join_run, quieten
from t2ipal.classes import class_files, load_classes
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.plan import CAPTIONS, SYNTHETIC, TRAIN, make_plan, method_of

ALIVE = join_run(workflow.is_main_process)
quieten()

try:
    CONFIG = load_config(config)
    PLAN = make_plan(CONFIG)
except UserError as error:
    sys.exit(f"error: {error}")

RESULTS = f"results/{CONFIG.name}"
FIRST = 1  # priority of what Table 1 needs: the ablations and the report come after it
ENV = os.path.join(ROOT, "envs/environment.yaml")


# Code, class lists, models and data as inputs


def get_code(script):
    """The script and all it imports, compared by content: an edit reruns what runs it, a checkout reruns nothing."""
    return code_of(ROOT, f"workflow_scripts/{script}.py")


def get_method_code(script, method):
    """As `get_code`, with the file of the method."""
    if "." not in method:
        return code_of(ROOT, f"workflow_scripts/{script}.py", f"t2ipal/methods/{method}.py")
    outside = importlib.util.find_spec(method.rpartition(".")[0])
    return [*get_code(script), os.path.relpath(outside.origin)]


def get_existing(path, key):
    """The path, or the end of the run in one line if a job needs it and nothing is there."""
    if not os.path.exists(path):
        sys.exit(f"error: config: {key}: {path}: no such file or folder (expected one that exists)")
    return path


def get_data(path):
    """A path of the config that is relative to data_dir."""
    return os.path.join(CONFIG.data_dir, path)


def get_resource(name):
    return os.path.relpath(os.path.join(ROOT, "resources", name))


def get_class_files(name):
    """The files of a class list, named or given as a path."""
    return [os.path.relpath(path) for path in class_files(name)]


def get_class_names(dataset):
    """The names of a data set's classes, in the order of their indices."""
    return list(load_classes(CONFIG.datasets[dataset].classes).names)


def get_classes(dataset):
    """How paths call the class list of a data set."""
    return Path(CONFIG.datasets[dataset].classes).stem


def get_model(model, key):
    """The file whose content stands for a model: the manifest with its checksums, the model, or none for a name."""
    for manifest in (Path(model) / "manifest.json", Path(model).parent / "manifest.json"):
        if manifest.exists():
            return [str(manifest)]
    if Path(model).suffix in (".safetensors", ".pt") or model.count("/") != 1 or os.path.exists(model):
        path = Path(get_existing(model, key))
        return [str(path / "model_index.json" if path.is_dir() else path)]
    return []


# Captions


def get_labels(dataset):
    """How paths call the labels of a data set's captions: class list and filter."""
    return f"{get_classes(dataset)}-{CONFIG.datasets[dataset].filter}"


def get_labelled(dataset):
    return f"{RESULTS}/captions/{CONFIG.datasets[dataset].pool}/{get_labels(dataset)}/labelled.parquet"


def get_pools():
    """The pools that data sets use, in the config's order."""
    used = {dataset.pool for dataset in CONFIG.datasets.values()}
    return [pool for pool in CONFIG.pools if pool in used]


def get_datasets_of(pool):
    return [name for name, dataset in CONFIG.datasets.items() if dataset.pool == pool]


def get_pool_files(wildcards):
    """The files that hold a pool's captions; none for the micro world."""
    pool, key = CONFIG.pools[wildcards.pool], f"pools.{wildcards.pool}"
    if pool.source == "coco":
        files = [f"annotations/captions_{split}.json" for split in pool.splits]
        return [get_existing(os.path.join(get_data(pool.root), file), f"{key}.root") for file in files]
    return [get_existing(get_data(pool.path), f"{key}.path")] if pool.source == "text" else []


def get_pool_spec(wildcards):
    pool = CONFIG.pools[wildcards.pool].model_dump(exclude={"shards"})
    pool |= {name: get_data(pool[name]) for name in ("root", "path") if name in pool}
    return {"pool": pool, "seed": CONFIG.seed}


def get_labels_classes(wildcards):
    return get_class_files(
        next(CONFIG.datasets[data].classes for data in CONFIG.datasets if is_labels(data, wildcards))
    )


def is_labels(dataset, wildcards):
    return CONFIG.datasets[dataset].pool == wildcards.pool and get_labels(dataset) == wildcards.labels


def get_filter_spec(wildcards):
    classes = next(CONFIG.datasets[data].classes for data in CONFIG.datasets if is_labels(data, wildcards))
    return {"filter": wildcards.labels.rpartition("-")[2], "classes": classes}


def get_pool_labelled(wildcards):
    return sorted({get_labelled(dataset) for dataset in get_datasets_of(wildcards.pool)})


# Images


def get_t2i_input(wildcards):
    return get_model(CONFIG.text_to_image[wildcards.t2i].model, f"text_to_image.{wildcards.t2i}.model")


def get_draw_spec(wildcards):
    """What decides an image. The batch size does not, and so is no parameter."""
    draw = CONFIG.text_to_image[wildcards.t2i].model_dump(exclude={"samples", "batch"})
    return {"draw": draw, "seed": CONFIG.seed, "shards": CONFIG.pools[wildcards.pool].shards}


def get_draw_batch(wildcards):
    return CONFIG.text_to_image[wildcards.t2i].batch


def get_shards(folder, pool, t2i, samples):
    """The shards of every sample of a pool's images, or of their features, below `folder`."""
    shards = range(CONFIG.pools[pool].shards)
    return [f"{folder}/{pool}/{t2i}/sample{k}/shard-{i}.parquet" for k in range(samples) for i in shards]


def get_drawings(pool):
    """What the runs need of a pool's images: (text-to-image model, samples), none if no run uses any."""
    runs = [run for run in PLAN.runs.values() if CONFIG.datasets[run.dataset].pool == pool and run.samples]
    return sorted({(t2i, max(run.samples for run in runs if run.t2i == t2i)) for t2i in {run.t2i for run in runs}})


def get_labelled_images():
    """(part, data set) of all labelled images that the runs need."""
    train = {run.dataset for run in PLAN.runs.values() if TRAIN in run.kinds}
    return [("test", name) for name in CONFIG.datasets] + [("train", name) for name in CONFIG.datasets if name in train]


def get_source(wildcards):
    return getattr(CONFIG.datasets[wildcards.dataset], wildcards.part)


def get_source_files(wildcards):
    """The files that list a data set's images and labels; none for the micro world."""
    source, key = get_source(wildcards), f"datasets.{wildcards.dataset}.{wildcards.part}"
    if source.source == "coco":
        file = os.path.join(get_data(source.root), f"annotations/instances_{source.split}.json")
        return [get_existing(file, f"{key}.root")]
    if source.source == "voc":
        return [get_existing(get_data(source.root), f"{key}.root")]
    if source.source == "folder":
        folder = get_existing(get_data(source.path), f"{key}.path")
        return [folder, *([get_existing(get_data(source.labels), f"{key}.labels")] if source.labels else [])]
    return []


def get_source_spec(wildcards):
    source = get_source(wildcards).model_dump()
    source |= {name: get_data(source[name]) for name in ("root", "path", "labels") if source.get(name)}
    names, classes = get_class_names(wildcards.dataset), CONFIG.datasets[wildcards.dataset].classes
    return {"source": source, "part": wildcards.part, "seed": CONFIG.seed, "names": names, "classes": classes}


def get_matched_classes(wildcards):
    """The class list, if its synonyms help to match its classes with the source's: not where the names are the same."""
    same = set(get_class_names(wildcards.dataset)) <= set(load_classes("voc2007").names)
    is_micro = get_source(wildcards).source == "micro"
    return [] if same and is_micro else get_class_files(CONFIG.datasets[wildcards.dataset].classes)


# Features


def get_clip_input(wildcards):
    return get_model(CONFIG.clip[wildcards.clip].model, f"clip.{wildcards.clip}.model")


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


def get_all_features():
    """The features that the runs need."""
    clip = CONFIG.use.clip
    folder = f"{RESULTS}/features/{clip}"
    drawn = [
        file
        for pool in get_pools()
        for t2i, samples in get_drawings(pool)
        for file in get_shards(f"{folder}/images", pool, t2i, samples)
    ]
    labelled = [get_image_features(part, dataset, clip) for part, dataset in get_labelled_images()]
    captions = [f"{folder}/captions/{pool}.parquet" for pool in get_pools()]
    templates = sorted({f"{folder}/templates/{get_classes(dataset)}.parquet" for dataset in CONFIG.datasets})
    return drawn + labelled + captions + templates


# Runs


def get_run(wildcards):
    return PLAN.runs[wildcards.dataset, wildcards.method, wildcards.variant]


def get_run_clip(wildcards):
    clip = get_run(wildcards).clip
    return get_model(CONFIG.clip[clip].model, f"clip.{clip}.model")


def get_train_code(wildcards):
    return get_method_code("train", wildcards.method)


def get_evaluate_code(wildcards):
    return get_method_code("evaluate", wildcards.method)


def get_train_captions(wildcards):
    """Labels and features of the captions, if the run's loss or its images need them."""
    run = get_run(wildcards)
    return [get_labelled(run.dataset)] if run.kinds & {CAPTIONS, SYNTHETIC} else []


def get_train_texts(wildcards):
    run = get_run(wildcards)
    pool = CONFIG.datasets[run.dataset].pool
    return [f"{RESULTS}/features/{run.clip}/captions/{pool}.parquet"] if run.kinds & {CAPTIONS, SYNTHETIC} else []


def get_train_templates(wildcards):
    run = get_run(wildcards)
    file = f"{RESULTS}/features/{run.clip}/templates/{get_classes(run.dataset)}.parquet"
    return [file] if CAPTIONS in run.kinds and run.settings.get("templates", True) else []


def get_train_images(wildcards):
    """Shards of the synthetic images' features."""
    run = get_run(wildcards)
    return get_shards(f"{RESULTS}/features/{run.clip}/images", CONFIG.datasets[run.dataset].pool, run.t2i, run.samples)


def get_train_flagged(wildcards):
    """Lists of the synthetic images not to use, a file per shard."""
    run = get_run(wildcards)
    shards = get_shards(f"{RESULTS}/images", CONFIG.datasets[run.dataset].pool, run.t2i, run.samples)
    return [shard.replace(".parquet", "-flagged.parquet") for shard in shards]


def get_train_labelled(wildcards):
    run = get_run(wildcards)
    return [get_image_features("train", run.dataset, run.clip)] if TRAIN in run.kinds else []


def get_train_labels(wildcards):
    run = get_run(wildcards)
    return [f"{RESULTS}/images/train/{run.dataset}.parquet"] if TRAIN in run.kinds else []


def get_train_spec(wildcards):
    run = get_run(wildcards)
    return {
        "method": run.method,
        "settings": dict(run.settings),
        "seeds": list(run.seeds),
        "clip": CONFIG.clip[run.clip].model,
        "classes": get_class_names(run.dataset),
        "shards": CONFIG.pools[CONFIG.datasets[run.dataset].pool].shards,
    }


def get_run_test(wildcards):
    run = get_run(wildcards)
    return get_image_features("test", run.dataset, run.clip)


def get_metrics(runs):
    return [f"{RESULTS}/runs/{run.path}/metrics.parquet" for run in runs]


# Tables, figures, report


def get_method_row(name):
    """What tables and figures say of a method."""
    method = method_of(name)
    seeds = method.seeds((0, 1))
    return {"name": name, "title": method.title, "in_paper": method.in_paper, "deterministic": len(seeds) < 2}


def get_data_row(name):
    """What tables and figures say of a data set."""
    return {"name": name, "title": CONFIG.datasets[name].title, "paper": CONFIG.datasets[name].paper}


def get_base_runs(dataset):
    """The runs of Table 1 on one data set, in its order."""
    return [row[dataset] for _, row in PLAN.table1]


def get_table1_metrics(wildcards):
    return get_metrics(run for dataset in CONFIG.datasets for run in get_base_runs(dataset))


def get_table1_spec(wildcards):
    methods = [get_method_row(name) for name, _ in PLAN.table1]
    return {"methods": methods, "datasets": [get_data_row(name) for name in CONFIG.datasets]}


def get_sweep_runs(wildcards):
    """The runs of a sweep, and those of Table 1 that it is compared with."""
    points = [run for _, run in PLAN.sweeps[wildcards.sweep][wildcards.dataset]]
    return [*points, *(run for run in get_base_runs(wildcards.dataset) if run not in points)]


def get_sweep_metrics(wildcards):
    return get_metrics(get_sweep_runs(wildcards))


def get_sweep_spec(wildcards):
    sweep = CONFIG.sweeps[wildcards.sweep]
    points = [[value, list(run.key)] for value, run in PLAN.sweeps[wildcards.sweep][wildcards.dataset]]
    base = PLAN.runs[wildcards.dataset, sweep.method, "base"]
    return {
        "name": wildcards.sweep,
        "key": sweep.key,
        "points": points,
        "base": base.settings[sweep.key],
        "method": get_method_row(sweep.method),
        "others": [get_method_row(name) for name in CONFIG.methods if name != sweep.method],
        "dataset": get_data_row(wildcards.dataset),
    }


def get_figures(sweep):
    return [f"{RESULTS}/figures/{sweep}-{dataset}.png" for dataset in CONFIG.datasets]


def get_everything():
    """All that `all` makes."""
    figures = [file for sweep in PLAN.sweeps for file in get_figures(sweep)]
    return [f"{RESULTS}/tables/table1.md", *figures, *get_report_files()]


# Report


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


def get_gap_spec(wildcards):
    methods = [get_method_row(run.method) for run in get_gap_runs(wildcards.dataset)]
    return {"dataset": get_data_row(wildcards.dataset), "methods": methods}


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
        names = ["captions.html", "per_class.png"]
        names += ["contact_sheet.png"] if get_drawings(data.pool) else []
        names += ["heat_maps.png"] if get_heat_runs(dataset) else []
        names += ["training_curves.png"] if get_trained_runs(dataset) else []
        names += ["modality_gap.png"] if get_gap_runs(dataset) else []
        files += [f"{RESULTS}/report/{Path(name).stem}-{dataset}{Path(name).suffix}" for name in names]
    return files


def get_check_spec():
    """The models and data that the config names: [kind, key, path or name] each."""
    found = [["clip", f"clip.{name}.model", clip.model] for name, clip in CONFIG.clip.items()]
    found += [["text_to_image", f"text_to_image.{name}.model", t2i.model] for name, t2i in CONFIG.text_to_image.items()]
    sources = {f"pools.{name}": pool for name, pool in CONFIG.pools.items()}
    for name, data in CONFIG.datasets.items():
        sources |= {f"datasets.{name}.{part}": getattr(data, part) for part in ("train", "test") if getattr(data, part)}
    for key, source in sources.items():
        for field in ("root", "path", "labels"):
            if getattr(source, field, None):
                found.append(["data", f"{key}.{field}", get_data(getattr(source, field))])
    return {"places": found}
