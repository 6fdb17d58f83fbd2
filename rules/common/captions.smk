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
    return CONFIG.datasets[queries.labels_owner(CONFIG, PLAN, wildcards.pool, wildcards.labels)]


def get_filter_spec(wildcards):
    data = get_labels_data(wildcards)
    return {"filter": data.filter, "classes": data.classes, "words": data.words, "cap": data.cap}


def get_pool_labelled(wildcards):
    return sorted({get_labelled(dataset, wildcards.pool) for dataset in get_datasets_of(wildcards.pool)})
