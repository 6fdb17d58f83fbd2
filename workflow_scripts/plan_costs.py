"""Estimate what a config costs before a run; print a table, write nothing."""

import shutil
import sys
from pathlib import Path
from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    from t2ipal.config import load_config
    from t2ipal.costs.here import machine_of
    from t2ipal.costs.page import cost_page
    from t2ipal.costs.units import load_units
    from t2ipal.costs.workload import Workload
    from t2ipal.plan.make import make_plan

    spec = snakemake.params.spec
    config, units = load_config(spec["config"]), load_units(Path(snakemake.input.units))
    work = Workload(config, make_plan(config), units.sizes, Path(spec["results"]), spec["pages"])
    works = work.all()
    machine, cpu = machine_of(config.machine, units)
    width = min(max(shutil.get_terminal_size((110, 40)).columns, 80), 160)
    page = cost_page(config.name, works, work.assumed, units, machine, width, (cpu, f"Trained: {work.trained}."))
    print(f"\n{page}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main, snakemake)
