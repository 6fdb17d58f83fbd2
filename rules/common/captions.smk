"""Paths and values for the rules that read captions and look for classes in them."""


def get_labels(dataset):
    """How paths call the labels of a data set's captions."""
    return queries.labels_name(CONFIG, dataset)


def get_labelled(dataset, pool=None):
    """The captions of a pool, the data set's own if none is named, with the data set's labels."""
    pool = pool or CONFIG.datasets[dataset].pool
    return f"{RESULTS}/captions/{pool}/{get_labels(dataset)}/labelled.parquet"


def get_pools():
    """The pools that runs read, in the config's order."""
    return queries.pools(CONFIG, PLAN)


def get_datasets_of(pool):
    """The data sets whose classes are looked for in a pool."""
    return queries.readers(CONFIG, PLAN, pool)


def get_files_of(source, key):
    """Paths of a source's files, or the end of the run in one line for the first that is missing."""
    return [path for file in source.files() for path in get_existing(str(file.path), f"{key}.{file.key}")]


def get_pool(name):
    """A pool with its paths as they are seen from here."""
    return located(CONFIG.pools[name], CONFIG.data_dir)


def get_pool_files(wildcards):
    """The files that hold a pool's captions; none for the micro world."""
    return get_files_of(get_pool(wildcards.pool), f"pools.{wildcards.pool}")


def get_pool_code(wildcards):
    return get_source_code("captions_read", get_pool(wildcards.pool))


def get_pool_spec(wildcards):
    return {"pool": get_pool(wildcards.pool).spec(), "seed": CONFIG.seed}


def get_labels_classes(wildcards):
    return get_class_files(get_labels_data(wildcards).classes)


def get_labels_data(wildcards):
    """The first data set that a path's labels are of."""
    return CONFIG.datasets[queries.labels_owner(CONFIG, PLAN, wildcards.pool, wildcards.labels)]


def get_filter_spec(wildcards):
    data = get_labels_data(wildcards)
    return {"filter": data.filter, "classes": data.classes, "words": data.words, "cap": data.cap}


def get_pool_labelled(wildcards):
    return sorted({get_labelled(dataset, wildcards.pool) for dataset in get_datasets_of(wildcards.pool)})
