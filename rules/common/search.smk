"""Paths and values for the rules that search for settings."""


def get_search_protocol(wildcards):
    name = queries.search_protocol(CONFIG, wildcards.method)
    return [f"{RESULTS}/protocols/{wildcards.dataset}/{name}-search.parquet"]


def get_search_code(wildcards):
    return get_method_code("search", wildcards.method, wildcards.clip)


def get_search_spec(wildcards):
    protocol, search = queries.search_protocol(CONFIG, wildcards.method), CONFIG.search[wildcards.method]
    return {
        "method": wildcards.method,
        "protocol": protocol,
        "level": search.level,
        "grid": dict(search.grid),
        "seeds": list(CONFIG.search_seeds),
        "settings": settings_of(CONFIG, wildcards.method, dataset=wildcards.dataset).model_dump(mode="json"),
        "clip": CONFIG.clip[wildcards.clip].model,
        "classes": get_class_names(wildcards.dataset),
        "novel": list(PLAN.novel[wildcards.dataset]) if protocol == "novel" else [],
    }


def get_searches():
    """A table of tried settings per data set with validation images, and per method of `search`."""
    return [f"{RESULTS}/search/{clip}/{dataset}/{method}.parquet" for clip, dataset, method in queries.searches(CONFIG)]
