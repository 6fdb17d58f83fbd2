"""What the rules share: the validated config, the plan of runs, and short functions that answer with paths and values.

Every answer about a run, a data set or a model comes from CONFIG and PLAN; no rule reads the raw config.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

ROOT = str(workflow.basedir)
sys.path[:0] = [ROOT, os.path.join(ROOT, "workflow_scripts")]

from cluster import end_orphans
from driver import code_of, join_run, quieten
from t2ipal.classes import class_files, load_classes
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.images.settings import COMPILE, NOT_DECIDING
from t2ipal.paths import pool_files, results_folder, source_files
from t2ipal.plan import CAPTIONS, NOVEL, PROTOCOLS, SHOTS, SYNTHETIC, TRAIN
from t2ipal.plan import drawings_of, is_deterministic, labelled_datasets, labelled_images, labels_of, make_plan
from t2ipal.plan import measured, method_of, pools_of, readers_of, settings_of
from t2ipal.prediction.photos import listing

ALIVE = join_run(workflow.is_main_process)
quieten()

try:
    CONFIG = load_config(config)
    PLAN = make_plan(CONFIG)
    RESULTS = results_folder(CONFIG.results_dir, CONFIG.name)
except UserError as error:
    sys.exit(f"error: {error}")
FIRST = 1  # priority of what Table 1 needs: all other tables, the figures and the report come after it
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


MISSING = {}  # what a dry run found missing: path -> key


def get_existing(path, key):
    """The path, or the end of the run in one line if a job needs it and nothing is there.

    A dry run plans without data: what is missing is said, and is no input.
    """
    if os.path.exists(path):
        return [path]
    if not workflow.dryrun:
        sys.exit(f"error: config: {key}: {path}: no such file or folder (expected one that exists)")
    if path not in MISSING:
        MISSING[path] = key
        if key not in list(MISSING.values())[:-1]:
            print(f"missing: config: {key}: {path} (planned as if it were there)", file=sys.stderr)
    return []


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
    if Path(model).suffix in (".safetensors", ".pt") or model.count("/") > 1 or os.path.exists(model):
        found = map(Path, get_existing(model, key))
        return [str(path / "model_index.json" if path.is_dir() else path) for path in found]
    return []


# Captions


def get_labels(dataset):
    """How paths call the labels of a data set's captions."""
    return labels_of(CONFIG, dataset)


def get_labelled(dataset, pool=None):
    """The captions of a pool, the data set's own if none is named, with the data set's labels."""
    pool = pool or CONFIG.datasets[dataset].pool
    return f"{RESULTS}/captions/{pool}/{get_labels(dataset)}/labelled.parquet"


def get_pools():
    """The pools that runs read, in the config's order."""
    return pools_of(CONFIG, PLAN)


def get_datasets_of(pool):
    """The data sets whose classes are looked for in a pool."""
    return readers_of(CONFIG, PLAN, pool)


def get_places(places, key):
    """Paths of a source's files, or the end of the run in one line for the first that is missing."""
    return [file for field, path, _ in places for file in get_existing(str(path), f"{key}.{field}")]


def get_pool(name):
    """A pool's settings as its reader takes them."""
    pool = CONFIG.pools[name].model_dump(exclude={"shards"})
    return pool | {key: get_data(pool[key]) for key in ("root", "path", "ids") if pool.get(key)}


def get_pool_files(wildcards):
    """The files that hold a pool's captions; none for the micro world."""
    return get_places(pool_files(get_pool(wildcards.pool)), f"pools.{wildcards.pool}")


def get_pool_spec(wildcards):
    return {"pool": get_pool(wildcards.pool), "seed": CONFIG.seed}


def get_labels_classes(wildcards):
    return get_class_files(get_labels_data(wildcards).classes)


def get_labels_data(wildcards):
    """The first data set that a path's labels are of."""
    found = [name for name in get_datasets_of(wildcards.pool) if get_labels(name) == wildcards.labels]
    return CONFIG.datasets[found[0]]


def get_filter_spec(wildcards):
    data = get_labels_data(wildcards)
    return {"filter": data.filter, "classes": data.classes, "words": data.words, "cap": data.cap}


def get_pool_labelled(wildcards):
    return sorted({get_labelled(dataset, wildcards.pool) for dataset in get_datasets_of(wildcards.pool)})


# Images


def get_t2i_input(wildcards):
    return get_model(CONFIG.text_to_image[wildcards.t2i].model, f"text_to_image.{wildcards.t2i}.model")


def get_draw_spec(wildcards):
    """What decides an image. Batch size and compilation do not, and so are no parameters."""
    draw = CONFIG.text_to_image[wildcards.t2i].model_dump(exclude={"samples", *NOT_DECIDING})
    return {"draw": draw, "seed": CONFIG.seed, "shards": CONFIG.pools[wildcards.pool].shards}


def get_draw_batch(wildcards):
    return CONFIG.text_to_image[wildcards.t2i].batch


def get_draw_compile(wildcards):
    return COMPILE.index(CONFIG.text_to_image[wildcards.t2i].compile)


def get_shards(folder, pool, t2i, samples):
    """The shards of every sample of a pool's images, or of their features, below `folder`."""
    shards = range(CONFIG.pools[pool].shards)
    return [f"{folder}/{pool}/{t2i}/sample{k}/shard-{i}.parquet" for k in range(samples) for i in shards]


def get_drawings(pool):
    """What the runs need of a pool's images: (text-to-image model, samples), none if no run uses any."""
    return drawings_of(PLAN, pool)


def get_labelled_images():
    """(part, data set) of all labelled images that the runs need."""
    return labelled_images(CONFIG, PLAN)


def get_source(dataset, part):
    """The settings of a data set's labelled images as their reader takes them."""
    source = getattr(CONFIG.datasets[dataset], part).model_dump()
    return source | {key: get_data(source[key]) for key in ("root", "path", "labels") if source.get(key)}


def get_source_files(wildcards):
    """The files that list a data set's images and labels; none for the micro world."""
    places = source_files(get_source(wildcards.dataset, wildcards.part))
    return get_places(places, f"datasets.{wildcards.dataset}.{wildcards.part}")


def get_source_spec(wildcards):
    source = get_source(wildcards.dataset, wildcards.part)
    names, classes = get_class_names(wildcards.dataset), CONFIG.datasets[wildcards.dataset].classes
    return {"source": source, "part": wildcards.part, "seed": CONFIG.seed, "names": names, "classes": classes}


def get_matched_classes(wildcards):
    """The class list, if its synonyms help to match its classes with the source's: not where the names are the same."""
    same = set(get_class_names(wildcards.dataset)) <= set(load_classes("voc2007").names)
    is_micro = get_source(wildcards.dataset, wildcards.part)["source"] == "micro"
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
    asked = [
        get_train_texts,
        get_train_templates,
        get_train_images,
        get_train_labelled,
        get_run_test,
        get_run_validation,
    ]
    trained = [run for run in PLAN.runs.values() if not run.sources]
    files = {file for run in trained for get in asked for file in get(run)}
    return sorted(files)


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
    return [get_labelled(run.dataset, run.pool)] if run.kinds & {CAPTIONS, SYNTHETIC} else []


def get_train_texts(wildcards):
    run = get_run(wildcards)
    return [f"{RESULTS}/features/{run.clip}/captions/{run.pool}.parquet"] if run.kinds & {CAPTIONS, SYNTHETIC} else []


def get_train_templates(wildcards):
    run = get_run(wildcards)
    file = f"{RESULTS}/features/{run.clip}/templates/{get_classes(run.dataset)}.parquet"
    return [file] if CAPTIONS in run.kinds and run.settings.get("templates", True) else []


def get_train_images(wildcards):
    """Shards of the synthetic images' features."""
    run = get_run(wildcards)
    return get_shards(f"{RESULTS}/features/{run.clip}/images", run.pool, run.t2i, run.samples)


def get_train_flagged(wildcards):
    """Lists of the synthetic images not to use, a file per shard."""
    run = get_run(wildcards)
    shards = get_shards(f"{RESULTS}/images", run.pool, run.t2i, run.samples)
    return [shard.replace(".parquet", "-flagged.parquet") for shard in shards]


def get_train_labelled(wildcards):
    run = get_run(wildcards)
    return [get_image_features("train", run.dataset, run.clip)] if run.kinds & {TRAIN, SHOTS} else []


def get_train_labels(wildcards):
    run = get_run(wildcards)
    return [f"{RESULTS}/images/train/{run.dataset}.parquet"] if run.kinds & {TRAIN, SHOTS} else []


def get_train_protocol(wildcards):
    """What the run's protocol lets it know of the labels; none for a run that may know all."""
    run = get_run(wildcards)
    return [f"{RESULTS}/protocols/{run.dataset}/{run.protocol}.parquet"] if run.protocol else []


def get_train_words(wildcards):
    """A file of word vectors, if the run's settings name one."""
    words = get_run(wildcards).settings.get("word_vectors")
    return get_existing(words, f"settings.{wildcards.method}.word_vectors") if words else []


def get_train_spec(wildcards):
    run = get_run(wildcards)
    return {
        "method": run.method,
        "settings": dict(run.settings),
        "seeds": list(run.seeds),
        "protocol": run.protocol,
        "levels": list(run.levels),
        "novel": get_novel(run),
        "clip": CONFIG.clip[run.clip].model,
        "classes": get_class_names(run.dataset),
        "shards": CONFIG.pools[run.pool].shards,
    }


def get_novel(run):
    """The novel classes of a run, if its protocol has any."""
    return list(PLAN.novel[run.dataset]) if run.protocol == NOVEL else []


def get_protocol_spec(wildcards):
    """What is drawn: the levels of all runs of a protocol, or of the searches in it."""
    protocol, _, search = wildcards.protocol.partition("-")
    runs = [run for run in PLAN.runs.values() if run.protocol == protocol and run.dataset == wildcards.dataset]
    methods = getattr(CONFIG, protocol).methods
    searched = [find.level for method, find in CONFIG.search.items() if method in methods]
    return {
        "protocol": protocol,
        "levels": sorted(set(searched) if search else {level for run in runs for level in run.levels}),
        "seeds": list(CONFIG.search_seeds) if search else sorted({seed for run in runs for seed in run.seeds}),
        "classes": get_class_names(wildcards.dataset),
        "novel": get_novel(runs[0]),
    }


def get_run_test(wildcards):
    run = get_run(wildcards)
    return [get_image_features("test", run.dataset, run.clip)] if CONFIG.datasets[run.dataset].test else []


def get_run_validation(wildcards):
    run = get_run(wildcards)
    has = CONFIG.datasets[run.dataset].validation
    return [get_image_features("validation", run.dataset, run.clip)] if has else []


def get_validation_images(wildcards):
    has = CONFIG.datasets[wildcards.dataset].validation
    return [f"{RESULTS}/images/validation/{wildcards.dataset}.parquet"] if has else []


def get_measure_spec(wildcards):
    """What a measurement depends on beside scores and labels."""
    return {"classes": get_class_names(wildcards.dataset), "bootstrap": CONFIG.bootstrap, "seed": CONFIG.seed}


def get_combined_scores(wildcards):
    return [f"{RESULTS}/runs/{PLAN.runs[key].path}/scores.parquet" for key in get_run(wildcards).sources]


def get_combine_spec(wildcards):
    return {**get_measure_spec(wildcards), "combine": dict(get_run(wildcards).combine)}


def get_search_protocol_name(method):
    """The protocol that a method's search draws by: the first that lists it."""
    return next(name for name in PROTOCOLS if getattr(CONFIG, name) and method in getattr(CONFIG, name).methods)


def get_search_protocol(wildcards):
    name = get_search_protocol_name(wildcards.method)
    return [f"{RESULTS}/protocols/{wildcards.dataset}/{name}-search.parquet"]


def get_search_code(wildcards):
    return get_method_code("search", wildcards.method)


def get_search_spec(wildcards):
    protocol, search = get_search_protocol_name(wildcards.method), CONFIG.search[wildcards.method]
    return {
        "method": wildcards.method,
        "protocol": protocol,
        "level": search.level,
        "grid": dict(search.grid),
        "seeds": list(CONFIG.search_seeds),
        "settings": settings_of(CONFIG, wildcards.method, dataset=wildcards.dataset).model_dump(mode="json"),
        "clip": CONFIG.clip[wildcards.clip].model,
        "classes": get_class_names(wildcards.dataset),
        "novel": list(PLAN.novel[wildcards.dataset]) if protocol == NOVEL else [],
    }


def get_searches():
    """A table of tried settings per data set with validation images, and per method of `search`."""
    listed = {name for protocol in PROTOCOLS if getattr(CONFIG, protocol) for name in getattr(CONFIG, protocol).methods}
    files = []
    for method in (method for method in CONFIG.search if method in listed):
        protocol = get_search_protocol_name(method)
        clip = getattr(CONFIG, protocol).use.clip or CONFIG.use.clip
        datasets = [name for name in labelled_datasets(CONFIG, protocol) if CONFIG.datasets[name].validation]
        files += [f"{RESULTS}/search/{clip}/{dataset}/{method}.parquet" for dataset in datasets]
    return files


def one_of(names):
    """A wildcard constraint: one of the names."""
    return "|".join(re.escape(str(name)) for name in sorted(names)) or "(?!)"


def none_of(*parts, name=r"[^/]+"):
    """A wildcard constraint: any `name`, but where the path goes on with one name of each part; those are another rule's.

    It keeps a rule and the one that takes the rest apart, so that Snakemake makes no job twice to choose between them.
    """
    names = os.path.join(*(f"(?:{part})" for part in parts), "")
    return rf"(?!{names}){name}"


def get_first_images():
    """Wildcard constraints of the images that Table 1 needs: pool, text-to-image model, folder of the sample."""
    pools = one_of(dataset.pool for dataset in CONFIG.datasets.values())
    samples = range(CONFIG.text_to_image[CONFIG.use.text_to_image].samples)
    return pools, one_of([CONFIG.use.text_to_image]), one_of(f"sample{k}" for k in samples)


def get_first(place):
    """Names of the methods (place 1) or variants (2) of the base runs, and of those that Table 1 shows."""
    blocks = PLAN.tables["table1"]["blocks"] if PLAN.tables else []
    cells = [row["cells"] for block in blocks for row in block["rows"]]
    names = {run.key[place] for _, runs in PLAN.table1 for run in runs.values()}
    names |= {cell["run"][place] for by_data in cells for cell in by_data.values()}
    return {name for name in names if "+" not in name or place != 1}


FIRST_METHODS, FIRST_VARIANTS = one_of(get_first(1)), one_of(get_first(2))
OTHER_METHODS = none_of(FIRST_METHODS, FIRST_VARIANTS, name=r"[^/+]+")  # those with a variant that Table 1 has not, too


def get_metrics(runs):
    return [f"{RESULTS}/runs/{run.path}/metrics.parquet" for run in runs]


# Tables, figures, report


def get_method_row(name):
    """What tables and figures say of a method."""
    method = method_of(name)
    about = {"in_paper": method.in_paper, "deterministic": is_deterministic(name)}
    return {"name": name, "title": method.title, **about}


def get_data_row(name):
    """What tables and figures say of a data set."""
    return {"name": name, "title": CONFIG.datasets[name].title, "paper": CONFIG.datasets[name].paper}


def get_base_runs(dataset):
    """The runs of Table 1 on one data set, in its order."""
    return [row[dataset] for _, row in PLAN.table1]


def get_cell_runs(tables):
    """The runs that fill the cells of tables, each once."""
    rows = [row for table in tables for block in table["blocks"] for row in block["rows"]]
    keys = dict.fromkeys(tuple(cell["run"]) for row in rows for cell in row["cells"].values())
    return [PLAN.runs[key] for key in keys]


def get_table_metrics(wildcards):
    return get_metrics(get_cell_runs([PLAN.tables[wildcards.table]]))


def get_table_spec(wildcards):
    return PLAN.tables[wildcards.table]


def get_claims_metrics(wildcards):
    return get_metrics(get_cell_runs(PLAN.tables.values()))


def get_claims_spec(wildcards):
    return list(PLAN.tables.values())


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
        "base": base.samples if sweep.key == "samples" else base.settings[sweep.key],
        "method": get_method_row(sweep.method),
        "others": [get_method_row(name) for name in CONFIG.methods if name != sweep.method],
        "dataset": get_data_row(wildcards.dataset),
    }


LEVEL_TABLES = {"partial": ("table2", "labels"), "few_shot": ("table4", "shots")}


def get_levels_block(protocol, dataset):
    """The part of a protocol's table that is one data set's."""
    return PLAN.tables[LEVEL_TABLES[protocol][0]]["blocks"][labelled_datasets(CONFIG, protocol).index(dataset)]


def get_levels_metrics(wildcards):
    blocks = [get_levels_block(wildcards.protocol, wildcards.dataset)]
    return get_metrics(get_cell_runs([{"blocks": blocks}]))


def get_levels_spec(wildcards):
    table, axis = LEVEL_TABLES[wildcards.protocol]
    return {
        "axis": axis,
        "title": PLAN.tables[table]["title"],
        "dataset": get_data_row(wildcards.dataset),
        "rows": get_levels_block(wildcards.protocol, wildcards.dataset)["rows"],
    }


def get_figures(sweep):
    return [f"{RESULTS}/figures/{sweep}-{dataset}.png" for dataset in PLAN.sweeps[sweep]]


def get_everything():
    """All that `all` makes."""
    figures = [file for sweep in PLAN.sweeps for file in get_figures(sweep)]
    figures += [
        f"{RESULTS}/figures/levels-{protocol}-{dataset}.png"
        for protocol, (table, _) in LEVEL_TABLES.items()
        if table in PLAN.tables
        for dataset in labelled_datasets(CONFIG, protocol)
    ]
    tables = [f"{RESULTS}/tables/{table}.md" for table in PLAN.tables]
    claims = [f"{RESULTS}/report/claims.html"] if tables else []
    return [*tables, *claims, *figures, *get_report_files(), *get_predictions()]


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


# Predictions


def get_photographed():
    """The data sets with photos to predict, in the config's order."""
    return [name for name, dataset in CONFIG.datasets.items() if dataset.photos]


def get_photos(dataset):
    """The folder of a data set's photos."""
    return get_data(CONFIG.datasets[dataset].photos.path)


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
    return get_method_code("predict", wildcards.method)


def get_predict_clip(wildcards):
    clip = get_base_run(wildcards).clip
    return get_model(CONFIG.clip[clip].model, f"clip.{clip}.model")


def get_predict_folder(wildcards):
    return get_existing(get_photos(wildcards.dataset), f"datasets.{wildcards.dataset}.photos.path")


def get_predict_spec(wildcards):
    """What is predicted: the listing changes with any photo, so that a new one is seen wherever it lies."""
    photos, data = get_photos(wildcards.dataset), CONFIG.datasets[wildcards.dataset]
    seen = listing(photos) if get_predict_folder(wildcards) else None
    return {"photos": photos, "listing": seen, "top": data.photos.top, "title": data.title}


# Names in paths


pathvars:
    results=RESULTS,


wildcard_constraints:
    pool=r"[^/]+",
    labels=r"[^/]+",
    t2i=r"[^/]+",
    clip=r"[^/]+",
    classes=r"[^/]+",
    dataset=r"[^/]+",
    method=r"[^/]+",
    variant=r"[^/]+",
    part="test|train|validation",
    protocol="(partial|few_shot|novel)(-search)?",
    table=r"[^/]+",
    sample=r"\d+",
    shard=r"\d+",
