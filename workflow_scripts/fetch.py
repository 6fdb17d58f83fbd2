"""Fetch the models and data sets of the config that are missing and may be downloaded."""

import os
from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log


def main(snakemake: Any) -> None:
    from t2ipal.backbones.openai.variants import CACHE
    from t2ipal.config import load_config
    from t2ipal.fetch.jobs import fetch_all
    from t2ipal.fetch.wanted import wanted
    from t2ipal.plan.make import make_plan

    config = load_config(snakemake.params.spec["config"])
    jobs, manual = wanted(config, make_plan(config), CACHE.expanduser())
    # A job cannot ask: the one who starts it says so before.
    done = fetch_all(jobs, manual, lambda total: os.environ.get("T2IPAL_FETCH") == "yes", log.info)
    log.info("%d of %d downloads done", done, len(jobs))


if __name__ == "__main__":
    run(main, snakemake)
