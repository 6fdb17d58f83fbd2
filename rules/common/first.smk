"""What comes before the rest: wildcard constraints that keep its rules apart.

First what Table 1 needs; then what takes longest, so that no long job is left to run alone at the end.
"""


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
    cells = PLAN.tables["table1"].cells if PLAN.tables else ()
    names = {run.key[place] for _, runs in PLAN.base for run in runs.values()} | {cell.run[place] for cell in cells}
    return {name for name in names if "+" not in name or place != 1}


FIRST_METHODS, FIRST_VARIANTS = one_of(get_first(1)), one_of(get_first(2))
LEVEL_VARIANTS = one_of({run.key[2] for run in PLAN.runs.values() if run.protocol} - get_first(2))
OTHER_METHODS = none_of(FIRST_METHODS, FIRST_VARIANTS, name=r"[^/+]+")  # those with a variant that Table 1 has not, too
