"""Paths and values for the rules that make tables, claims and figures, and for `all`."""


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


def get_sweep_runs(wildcards):
    """The runs of a sweep, and those of Table 1 that it is compared with."""
    points = [run for _, run in PLAN.sweeps[wildcards.sweep][wildcards.dataset]]
    return [*points, *(run for run in get_base_runs(wildcards.dataset) if run not in points)]


def get_sweep_metrics(wildcards):
    return get_metrics(get_sweep_runs(wildcards))


def get_shape(name, dataset):
    """A sweep, and what it is compared with."""
    sweep = CONFIG.sweeps[name]
    return {
        "name": name,
        "key": sweep.key,
        "points": [[value, list(run.key)] for value, run in PLAN.sweeps[name][dataset]],
        "method": get_method_row(sweep.method),
        "others": [get_method_row(other) for other in CONFIG.methods if other != sweep.method],
        "dataset": get_data_row(dataset),
    }


def get_sweep_spec(wildcards):
    sweep = CONFIG.sweeps[wildcards.sweep]
    base = PLAN.runs[wildcards.dataset, sweep.method, "base"]
    chosen = base.samples if sweep.key == "samples" else base.settings[sweep.key]
    return {**get_shape(wildcards.sweep, wildcards.dataset), "base": chosen}


def get_claimed_shapes():
    """The sweeps of which the paper says something, with what it says and the points that it names."""
    found = []
    for name, by_data in PLAN.sweeps.items():
        above = [list(pair) for pair in CONFIG.sweeps[name].above]
        named = {end for pair in above for end in pair}
        for shape in (get_shape(name, data) for data in by_data if above):
            points = [point for point in shape["points"] if point[0] in named]
            found.append({**shape, "points": points, "above": above})
    return found


def get_claims_metrics(wildcards):
    """The runs of all tables, Table 1 among them, and the points that the paper names."""
    points = [PLAN.runs[tuple(key)] for shape in get_claimed_shapes() for _, key in shape["points"]]
    return get_metrics(dict.fromkeys([*get_cell_runs(PLAN.tables.values()), *points]))


def get_claims_spec(wildcards):
    return {"tables": list(PLAN.tables.values()), "sweeps": get_claimed_shapes()}


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
