"""Paths and values for the rules that search for settings."""


def get_search_protocol_name(method):
    """The protocol that a method's search draws by: the first that lists it."""
    return next(name for name in PROTOCOLS if getattr(CONFIG, name) and method in getattr(CONFIG, name).methods)


def get_search_protocol(wildcards):
    name = get_search_protocol_name(wildcards.method)
    return [f"{RESULTS}/protocols/{wildcards.dataset}/{name}-search.parquet"]


def get_search_code(wildcards):
    return get_method_code("search", wildcards.method, wildcards.clip)


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
