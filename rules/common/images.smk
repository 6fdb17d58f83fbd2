"""Paths and values for the rules that draw images and list labelled ones."""


def get_t2i_input(wildcards):
    return get_model(CONFIG.text_to_image[wildcards.t2i].model, f"text_to_image.{wildcards.t2i}.model")


def get_draw_spec(wildcards):
    """What decides an image. Batch size and compilation do not, and so are no parameters."""
    draw = CONFIG.text_to_image[wildcards.t2i].deciding()
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
    return queries.images_to_generate(PLAN, pool)


def get_labelled_images():
    """(part, data set) of all labelled images that the runs need."""
    return queries.labelled_images(CONFIG, PLAN)


def get_source(dataset, part):
    """A data set's labelled images with their paths as they are seen from here."""
    return located(getattr(CONFIG.datasets[dataset], part), CONFIG.data_dir)


def get_source_files(wildcards):
    """The files that list a data set's images and labels; none for the micro world."""
    source = get_source(wildcards.dataset, wildcards.part)
    return get_files_of(source, f"datasets.{wildcards.dataset}.{wildcards.part}")


def get_labelled_images_code(wildcards):
    return get_source_code("labelled_images", get_source(wildcards.dataset, wildcards.part))


def get_source_spec(wildcards):
    source = get_source(wildcards.dataset, wildcards.part).spec()
    names, classes = get_class_names(wildcards.dataset), CONFIG.datasets[wildcards.dataset].classes
    return {"source": source, "part": wildcards.part, "seed": CONFIG.seed, "names": names, "classes": classes}


def get_matched_classes(wildcards):
    """The class list, if its synonyms help to match its classes with the source's."""
    source = get_source(wildcards.dataset, wildcards.part)
    needs = source.needs_class_list(get_class_names(wildcards.dataset))
    return get_class_files(CONFIG.datasets[wildcards.dataset].classes) if needs else []
