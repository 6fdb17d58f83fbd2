"""Paths and values for the rules that train and measure a run: a data set, a method, a variant."""


def get_run(wildcards):
    return PLAN.runs[wildcards.dataset, wildcards.method, wildcards.variant]


def get_run_clip(wildcards):
    return get_backbone(get_run(wildcards).clip)


def get_train_code(wildcards):
    return get_method_code("train", wildcards.method, get_run(wildcards).clip)


def get_evaluate_code(wildcards):
    return get_method_code("evaluate", wildcards.method)


READ_BY_ROWS = []  # the inputs of rule train that `read_by_rows` makes


def read_by_rows(name, pattern):
    """An input of rule train: the files of a pattern, if the run's kinds of training rows read any by this name.

    The pattern is filled with the run, its labels and classes as paths call them, samples and shards.
    """

    def get(wildcards):
        run = get_run(wildcards)
        if name not in inputs_of(run.kinds, run.settings):
            return []
        named = {"run": run, "labels": get_labels(run.dataset), "classes": get_classes(run.dataset)}
        each = [
            (sample, shard) for sample in range(max(run.samples, 1)) for shard in range(CONFIG.pools[run.pool].shards)
        ]
        files = [pattern.format(**named, sample=sample, shard=shard) for sample, shard in each]
        return [f"{RESULTS}/{file}" for file in dict.fromkeys(files)]

    READ_BY_ROWS.append(get)
    return get


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
        "novel": list(queries.novel_classes(PLAN, run)),
        "clip": CONFIG.clip[run.clip].model,
        "classes": get_class_names(run.dataset),
        "shards": CONFIG.pools[run.pool].shards,
    }


def get_protocol_spec(wildcards):
    """What is sampled: the levels and seeds of all runs of a protocol, or of the searches in it."""
    protocol, _, search = wildcards.protocol.partition("-")
    runs = queries.protocol_runs(PLAN, protocol, wildcards.dataset)
    if search:
        levels, seeds = queries.search_levels(CONFIG, protocol), CONFIG.search_seeds
    else:
        levels = sorted({level for run in runs for level in run.levels})
        seeds = sorted({seed for run in runs for seed in run.seeds})
    return {
        "protocol": protocol,
        "levels": levels,
        "seeds": list(seeds),
        "classes": get_class_names(wildcards.dataset),
        "novel": list(queries.novel_classes(PLAN, runs[0])),
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


def get_metrics(runs):
    return [f"{RESULTS}/runs/{run.path}/metrics.parquet" for run in runs]
