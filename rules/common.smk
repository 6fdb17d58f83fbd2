"""What rules share: the validated config, the plan of runs, and helpers that answer with paths.

Rules read CONFIG and PLAN, never the raw config. Values that one rule needs are written in that rule.
t2ipal.plan.queries answers questions about runs, data sets and figures; t2ipal.plan.priority gives jobs their priorities.
"""

import importlib.util
import inspect
import json
import os
import re
import sys
from functools import cache
from pathlib import Path

from t2ipal import backbones
from t2ipal.artifacts import MADE, recorded
from t2ipal.classes import class_files, load_classes
from t2ipal.config import load_config
from t2ipal.config.command_line import with_entries
from t2ipal.config.plausible import unused_pools
from t2ipal.config.schema import SAMPLES
from t2ipal.errors import UserError
from t2ipal.images.settings import COMPILE, model_files
from t2ipal.label_check import check_labels, needs_each_class
from t2ipal.listings import state_of
from t2ipal.marks import claim
from t2ipal.metrics.combinations import plain_of
from t2ipal.plan import priority as priorities
from t2ipal.plan import queries
from t2ipal.plan.image_fields import generated_fields, labelled_fields
from t2ipal.plan.make import make_plan
from t2ipal.plan.priority import FIRST, NEXT
from t2ipal.plan.runs import settings_of
from t2ipal.prediction.photos import listing
from t2ipal.resource_files import resource
from t2ipal.results import results_folder
from t2ipal.runtime.code_lists import code_list
from t2ipal.runtime.workflow_run import begin_run
from t2ipal.validation import located

ROOT = str(workflow.basedir)

try:
    ALIVE = begin_run(ROOT, workflow.is_main_process, workflow.output_settings.dryrun)
    CONFIG = load_config(with_entries(config, workflow.config_settings.config_args))
    PLAN = make_plan(CONFIG)
    NOTES = unused_pools(CONFIG, queries.pools(CONFIG, PLAN))
    if workflow.is_main_process:
        check_labels(CONFIG, PLAN)
    RESULTS = results_folder(CONFIG.results_dir, CONFIG.name)
except UserError as error:
    sys.exit(f"error: {error}")
if workflow.dryrun:
    print(*(f"note: {note}\n" for note in NOTES), sep="", end="", file=sys.stderr)
ENV = os.path.join(ROOT, "envs/environment.yaml")


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


# Code. A list of it is an input, compared by content: an edit reruns the jobs that run it, a checkout reruns nothing.


def get_code(script, *files, modules=()):
    """The list of a script, further files and modules, and all that they import; of a module outside t2ipal, its file."""
    ours = [f"{name.replace('.', '/')}.py" for name in modules if name.startswith("t2ipal.")]
    theirs = [
        os.path.relpath(importlib.util.find_spec(name).origin) for name in modules if not name.startswith("t2ipal.")
    ]
    starts = (f"workflow_scripts/{script}.py", *files, *ours)
    # of this folder, also where inputs and outputs are in a bucket (--default-storage-provider)
    return local(code_list(ROOT, starts, tuple(theirs), workflow.is_main_process))


def get_backbone_code(script, clip):
    """A script's code, and that of the kind of backbone that the job loads."""
    return get_code(script, modules=[backbones.module_of(CONFIG.clip[clip].model)])


def get_method_code(script, method, clip=None):
    """A script's code, that of a method, and that of the backbone if the job loads one."""
    name = method.rpartition(".")[0] or f"t2ipal.methods.{method}"
    return get_code(script, modules=[name] if clip is None else [name, backbones.module_of(CONFIG.clip[clip].model)])


def get_source_code(script, source):
    """A script's code and that of one source: an edit of another source's file reads nothing again."""
    return get_code(script, os.path.relpath(inspect.getfile(type(source)), ROOT))


# Files from outside the results


MISSING = {}  # what a dry run missed: path -> key


def get_existing(key, *paths):
    """The paths that a key of the config names. A missing one ends the run in one line.

    A dry run plans without data: it reports what is missing, and leaves it out.
    """
    existing = []
    for path in map(str, filter(None, paths)):
        if os.path.exists(path):
            existing.append(path)
        elif not workflow.dryrun:
            sys.exit(f"error: config: {key}: {path}: no such file or folder (expected one that exists)")
        elif path not in MISSING:
            if key not in MISSING.values():
                print(f"missing: config: {key}: {path} (planned as if it were there)", file=sys.stderr)
            MISSING[path] = key
    return existing


def get_backbone(clip):
    """The files whose content stands for a backbone of the config; none for a name that is looked up elsewhere."""
    return get_existing(f"clip.{clip}.model", *backbones.files(CONFIG.clip[clip].model))


@cache
def get_state(*paths):
    """What changes when one of these files, or one in these folders, does; looked up once in a run."""
    return state_of(paths)


def get_image_names(existing):
    """The names in text_to_image of images that exist already, or of models that generate them."""
    return [name for name, t2i in CONFIG.text_to_image.items() if (t2i.source != "diffusers") == existing]


def get_one_of(names):
    """A wildcard's constraint to some names, of which there may be none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def get_existing_images(t2i):
    """The source of images that exist already, its paths as seen from the working directory."""
    return located(CONFIG.text_to_image[t2i], CONFIG.data_dir)


@cache
def get_pipeline(t2i):
    """The files whose content stands for a text-to-image model of the config; none for a name on the hub."""
    return model_files(CONFIG.text_to_image[t2i].model)


def get_weights(clip):
    """What changes when a backbone of the config does, by name the same."""
    return get_state(*backbones.files(CONFIG.clip[clip].model))


def get_resource(name):
    """A file of the folder resources."""
    return os.path.relpath(resource(name))


def get_class_files(name):
    """The files of a class list, which is a name or a path."""
    return [os.path.relpath(path) for path in class_files(name)]


def get_class_names(dataset):
    """The names of a data set's classes, in the order of their indices."""
    return list(load_classes(CONFIG.datasets[dataset].classes).names)


def get_pool(name):
    """A caption pool, its paths as seen from the working directory."""
    return located(CONFIG.pools[name], CONFIG.data_dir)


def get_source(dataset, part):
    """The labelled images of a data set, their paths as seen from the working directory."""
    return located(getattr(CONFIG.datasets[dataset], part), CONFIG.data_dir)


def get_source_files(source, key):
    """The files that a source of captions or images needs; none for the micro world."""
    return [path for file in source.files() for path in get_existing(f"{key}.{file.key}", file.path)]


def get_photos(dataset):
    """The folder of photos to predict, as seen from the working directory."""
    return located(CONFIG.datasets[dataset].photos, CONFIG.data_dir).path


@cache
def get_listing(dataset):
    """What changes with any photo to predict, in subfolders too; looked up once in a run, not for each method."""
    folder = get_photos(dataset)
    return listing(folder) if os.path.exists(folder) else None


# Results


def get_run(wildcards):
    """The run of a path runs/{dataset}/{method}/{variant}."""
    return PLAN.runs[wildcards.dataset, wildcards.method, wildcards.variant]


def get_sources(wildcards, name):
    """A file of each run that a run combines: scores, or of a run that reads features its source's model."""
    run = get_run(wildcards)
    read = "model.safetensors" if run.fields else "scores.parquet"
    return [f"{RESULTS}/runs/{PLAN.runs[key].path}/{name}" for key in run.sources if name == read]


def get_scored_features(wildcards, part):
    """The features of test or validation images that a run scores, if it reads features and there are any."""
    run = get_run(wildcards)
    there = run.fields and (part == "test" or CONFIG.datasets[run.dataset].validation)
    return [f"{RESULTS}/features/{run.clip}/{part}/{run.dataset}.parquet"] if there else []


def get_labelled_data(wildcards):
    """The data set of a path captions/{pool}/{labels}: the first with these labels."""
    return CONFIG.datasets[queries.labels_owner(CONFIG, PLAN, wildcards.pool, wildcards.labels)]


def get_labels_file(name, dataset, pool=None):
    """A file of the captions of a pool (default: the data set's own), with the data set's labels."""
    pool = pool or CONFIG.datasets[dataset].pool
    return f"{RESULTS}/captions/{pool}/{queries.labels_name(CONFIG, dataset)}/{name}.parquet"


def get_shards(folder, pool, t2i, samples):
    """The shards of each sample of a pool's images, or of their features."""
    shards = range(CONFIG.pools[pool].shards)
    return [f"{RESULTS}/{folder}/{pool}/{t2i}/sample{k}/shard-{i}.parquet" for k in range(samples) for i in shards]


def get_judged(dataset, name):
    """Features of the CLIP that judges a data set's generated images."""
    return f"{RESULTS}/features/{queries.audit_judge(CONFIG, PLAN, dataset)}/{name}.parquet"


def get_search_run(wildcards):
    """A run that reads what the search of a path search/{clip}/{dataset}/{method} reads."""
    return queries.search_run(CONFIG, PLAN, wildcards.method, wildcards.dataset)


def get_training_rows(name, pattern, get_run=get_run):
    """An input of training: the files of a pattern, if the run's kinds of training rows read any by this name.

    The pattern is filled with the run, the names of its labels and classes in paths, samples and shards.
    """

    def get(wildcards):
        run = get_run(wildcards)
        if not run.reads(name):
            return []
        names = {
            "run": run,
            "labels": queries.labels_name(CONFIG, run.dataset),
            "classes": queries.classes_name(CONFIG, run.dataset),
        }
        shards = [
            (sample, shard) for sample in range(max(run.samples, 1)) for shard in range(CONFIG.pools[run.pool].shards)
        ]
        files = [pattern.format(**names, sample=sample, shard=shard) for sample, shard in shards]
        return [f"{RESULTS}/{file}" for file in dict.fromkeys(files)]

    return get


def get_validation(dataset, folder):
    """The file of a data set's validation images in a folder, if it has any."""
    return [f"{RESULTS}/{folder}/validation/{dataset}.parquet"] if CONFIG.datasets[dataset].validation else []


def get_held_out(run):
    """The captions that a run leaves out of training: percent and seed, if any."""
    return {"held_out": [run.held_out, CONFIG.seed]} if run.held_out else {}


def get_score_rule(dataset):
    """The score rule of a data set's recognisers."""
    photos = CONFIG.datasets[dataset].photos
    return {"scores": photos.scores if photos else "own", "score_scale": photos.score_scale if photos else None}


def get_calibration(dataset, pattern):
    """The files of a pattern for generated images that calibrate a data set's recognisers, if any do.

    The pattern is filled with the run that generates most, samples and shards.
    """
    run = queries.calibrating_run(CONFIG, PLAN, dataset)
    if run is None:
        return []
    shards = range(CONFIG.pools[run.pool].shards)
    files = [pattern.format(run=run, sample=k, shard=i) for k in range(run.samples) for i in shards]
    return [f"{RESULTS}/{file}" for file in files]


def get_metrics(runs):
    """The metrics of runs."""
    return [f"{RESULTS}/runs/{run.path}/metrics.parquet" for run in runs]


# What artifacts record that they are made with. A rule writes `made` into its outputs; `holds` is what its inputs must record.


def get_labels_made(data):
    """Of labelled captions."""
    about = {name: getattr(data, name) for name in ("filter", "words", "cap")}
    return {"classes": list(load_classes(data.classes).names), **about}


def get_images_made(pool, t2i):
    """Of generated images."""
    settings = CONFIG.text_to_image[t2i].deciding()
    return {"settings": settings, "seed": CONFIG.seed, "shards": CONFIG.pools[pool].shards}


def get_clip_made(clip):
    """Of features of images: a model of the config and how it sees them."""
    return CONFIG.clip[clip].model_dump(mode="json", exclude={"batch"})


def get_image_features_made(path, needed, made):
    """Of the file of image features at a path: with the fields `needed`, or those that it has where they are enough.

    A run that is dropped from the config extracts nothing again.
    """
    found = recorded(path).get(MADE) or {}
    stored = found.get("fields", [])
    enough = needed <= {*stored} and found == {**json.loads(json.dumps(made)), "fields": stored}
    return {**made, "fields": stored if enough else sorted(needed)}


# Not by `output`: Snakemake leaves parameters that read it out of its comparison with those of the last run.


def get_generated_features_made(wildcards):
    """Of features of generated images."""
    clip, pool, t2i = wildcards.clip, wildcards.pool, wildcards.t2i
    path = f"{RESULTS}/features/{clip}/images/{pool}/{t2i}/sample{wildcards.sample}/shard-{wildcards.shard}.parquet"
    made = {"clip": get_clip_made(clip), "images": get_images_made(pool, t2i)}
    return get_image_features_made(path, get_generated_fields(clip, pool, t2i), made)


@cache
def get_generated_fields(clip, pool, t2i):
    """The fields of generated images that are read, looked up once for all shards."""
    return generated_fields(CONFIG, PLAN, clip, pool, t2i)


def get_labelled_features_made(wildcards):
    """Of features of labelled images."""
    clip, part, dataset = wildcards.clip, wildcards.part, wildcards.dataset
    needed = labelled_fields(CONFIG, PLAN, clip, part, dataset)
    return get_image_features_made(
        f"{RESULTS}/features/{clip}/{part}/{dataset}.parquet", needed, {"clip": get_clip_made(clip)}
    )


def get_text_clip_made(clip):
    """Of features of texts."""
    return {"model": CONFIG.clip[clip].model, "store": CONFIG.clip[clip].store}


def get_templates_made(clip, dataset):
    """Of features of templates."""
    return {"clip": get_text_clip_made(clip), "classes": get_class_names(dataset)}


def get_protocol_made(protocol, dataset):
    """Of the known labels of a protocol; a run reads some of its levels and seeds."""
    novel = queries.protocol_spec(CONFIG, PLAN, protocol, dataset)["novel"]
    return {"classes": get_class_names(dataset), "novel": novel}


def get_model_made(run):
    """Of a run's model; how its CLIP sees images counts if it learned from any."""
    sees = run.reads("images") or run.reads("train")
    return run.made() | {"clip": get_clip_made(run.clip) if sees else get_text_clip_made(run.clip)}


def get_scores_made(run):
    """Of a run's scores."""
    return run.made() | {"clip": get_clip_made(run.clip)}


def get_metrics_made(runs):
    """Of the metrics of each run."""
    return [get_scores_made(run) | {"bootstrap": CONFIG.bootstrap, "seed": CONFIG.seed} for run in runs]


def get_training_holds(run):
    """Of the inputs of a training."""
    images = get_images_made(run.pool, run.t2i) if run.samples else {}
    protocol = {"protocol": get_protocol_made(run.protocol, run.dataset)} if run.protocol else {}
    inputs = {
        "labelled": get_labels_made(CONFIG.datasets[run.dataset]),
        "captions": {"clip": get_text_clip_made(run.clip)},
        "templates": get_templates_made(run.clip, run.dataset),
        "images": {"clip": get_clip_made(run.clip), "images": images},
        "flagged": images,
        "train": {"clip": get_clip_made(run.clip)},
        "train_images": {"classes": get_class_names(run.dataset)},
    }
    return protocol | {name: made for name, made in inputs.items() if run.reads(name)}


# Targets


def get_predictions():
    """For each data set with photos: a page of predictions per method, and the words of its classes."""
    datasets = queries.photo_datasets(CONFIG)
    pages = [f"{RESULTS}/predictions/{dataset}/{method}.html" for dataset in datasets for method in CONFIG.methods]
    return [*pages, *sorted({get_labels_file("words", dataset) for dataset in datasets})]


def get_everything():
    """The files of target `all`."""
    tables = [f"{RESULTS}/tables/{table}.md" for table in PLAN.tables]
    claims = [f"{RESULTS}/report/claims.html"] if tables else []
    sweeps = [f"{sweep}-{dataset}" for sweep in PLAN.sweeps for dataset in PLAN.sweeps[sweep]]
    levels = [f"levels-{protocol}-{dataset}" for protocol, dataset in queries.level_figures(CONFIG, PLAN)]
    figures = [f"{RESULTS}/figures/{figure}.png" for figure in [*sweeps, *levels]]
    names = [(Path(name), dataset) for dataset in CONFIG.datasets for name in queries.pictures(CONFIG, PLAN, dataset)]
    pictures = [f"{RESULTS}/report/{name.stem}-{dataset}{name.suffix}" for name, dataset in names]
    return [*tables, *claims, *figures, *pictures, *get_predictions()]
