"""What a config needs, is missing, and may be fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal import backbones
from t2ipal.data_check import PIPELINE, check_model, load_downloads
from t2ipal.fetch.jobs import Job, by_hand, clip_job, job_of
from t2ipal.plan import queries
from t2ipal.validation import located

if TYPE_CHECKING:
    from t2ipal.config import Config
    from t2ipal.plan.make import Plan
    from t2ipal.sources.base import Source


def wanted(config: Config, plan: Plan, cache: Path) -> tuple[list[Job], list[str]]:
    """The jobs of what `check_data` calls missing, each once, and lines on what a person has to get.

    Models that are loaded by name and not in a cache yet are fetched too.

    Args:
        cache: where CLIPs of OpenAI's go.
    """
    table, jobs, manual = load_downloads(), {}, {}
    for key, source in _sources(config, plan):
        for finding in source.check(key):
            if not finding.missing:
                continue
            row = table.get(finding.download)
            job = job_of(row, folder_of(source)) if row else None
            if job:
                jobs.setdefault((job.name, job.folder), job)
            else:
                manual.setdefault(finding.download or key, by_hand(row) if row else f"{key}: {finding.text}")
    for clip in {run.clip for run in plan.runs.values()}:
        kind, model = backbones.split(config.clip[clip].model)
        if kind.kind == "openai" and kind.location(model) is None:
            job = clip_job(model, cache, table["clip"].bytes if model == "RN101" else None)
            if not (cache / job.url.rpartition("/")[2]).exists():
                jobs[job.name, job.folder] = job
    for t2i in {run.t2i for run in plan.runs.values() if run.samples}:
        settings = config.text_to_image[t2i]
        if settings.source == "diffusers" and not os.path.exists(settings.model) and settings.model.count("/") == 1:
            finding = check_model("text_to_image", f"text_to_image.{t2i}.model", settings.model, settings.revision)
            if not finding.text.endswith("in the cache"):
                size = table[PIPELINE].bytes if table[PIPELINE].url.endswith(settings.model) else None
                place = Path("the cache of Hugging Face")
                jobs[settings.model, place] = Job(settings.model, settings.model, place, size, pipeline=settings)
    return list(jobs.values()), list(manual.values())


def _sources(config: Config, plan: Plan) -> list[tuple[str, Source]]:
    """Every source that runs read, by its key, with paths as seen from here."""
    pools = [(f"pools.{name}", config.pools[name]) for name in queries.pools(config, plan)]
    parts = [
        (f"datasets.{name}.{part}", getattr(config.datasets[name], part))
        for part, name in queries.labelled_images(config, plan)
    ]
    return [(key, located(source, config.data_dir)) for key, source in (*pools, *parts)]


def folder_of(source: Source) -> Path:
    """The folder that an archive of a source is unpacked into, so that the source finds its files."""
    path = Path(getattr(source, "root", None) or getattr(source, "path", None) or ".")
    if source.source == "voc":  # the archives contain VOCdevkit/VOC2007
        if path.parts[-2:] == ("VOCdevkit", "VOC2007"):
            return path.parents[1]
        return path.parent if path.name == "VOCdevkit" else path
    if source.source == "openimages" and path.suffix == ".jsonl":
        return path.parent
    return path
