"""What a finished run cost: its jobs, from `benchmarks/` and `logs/`, as Markdown tables next to what was planned.

Seconds of a job and its largest memory are Snakemake's; CPU-seconds are those that the job wrote itself
(`t2ipal/runtime/usage.py`), and so is its memory where it did.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.costs.estimate import Machine, costs_of, seconds_of
from t2ipal.costs.workload import STAGES
from t2ipal.errors import UserError
from t2ipal.runtime.usage import read_usage

if TYPE_CHECKING:
    from t2ipal.costs.units import Units
    from t2ipal.costs.workload import Work

PAGES = (
    *("table", "claims", "levels", "sweep", "captions_page", "contact_sheet", "heat_maps", "per_class"),
    *("training_curves", "modality_gap", "image_audit", "class_words"),
)
"""The rules of tables, figures and pages."""
RULES: Mapping[str, Sequence[str]] = {
    STAGES[0]: ("captions_read", "captions_label", "captions_selected"),
    STAGES[1]: ("generate", "existing_images", "labelled_images"),
    STAGES[2]: ("features_captions", "features_templates", "features_generated", "features_labelled"),
    STAGES[3]: ("protocol", "train"),
    STAGES[4]: ("evaluate", "combine", "recogniser", "predict"),
    STAGES[5]: PAGES,
}
"""The rules of each stage, in the order of the work. `search_settings` and `zoo` are targets of their own."""
PAUSE = 60
"""Seconds without any job from which on jobs before and after are taken for those of two runs."""
SHORTEST = 0.1
"""Seconds: what is shorter is not known well enough for a relative error."""
TABLE1 = "table/table1"
FITTED = "default run"
"""In the source of a unit cost: the default run says what it is."""
Matched = Sequence[tuple["Work", Sequence["Job"]]]
"""The works of a plan, each with its jobs of a run."""


@dataclass(frozen=True)
class Job:
    """A finished job.

    Attributes:
        name: rule and wildcards, "train/micro/t2i_pal/base".
        seconds: from its start to its end.
        cpu: CPU-seconds, None where the job wrote none.
        memory: MB at most, None where it ended before anybody looked.
        ended: when, in seconds since 1970.
    """

    name: str
    seconds: float
    cpu: float | None
    memory: float | None
    ended: float

    @property
    def rule(self) -> str:
        """Its rule."""
        return self.name.partition("/")[0]

    @property
    def started(self) -> float:
        """When, in seconds since 1970."""
        return self.ended - self.seconds


def jobs_of(folder: Path) -> list[Job]:
    """The jobs of a run by its folder, in the order of their ends.

    Raises:
        UserError: there are none, or a record that is none of Snakemake's.
    """
    jobs = [_job(folder, path) for path in (folder / "benchmarks").rglob("*.jsonl")]
    if not jobs:
        raise UserError(f"{folder / 'benchmarks'}: no records of jobs; expected those of a run")
    return sorted(jobs, key=lambda job: (job.ended, job.name))


def _job(folder: Path, path: Path) -> Job:
    name = path.relative_to(folder / "benchmarks").with_suffix("")
    try:
        record = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        seconds, memory = float(record["s"]), record["max_rss"]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not Snakemake's record of a job; expected a line of JSON with s and max_rss"
        ) from error
    usage = read_usage(folder / "logs" / f"{name}.log")
    if usage is not None:
        memory = usage.memory
    known = memory if isinstance(memory, int | float) else None
    return Job(name.as_posix(), seconds, usage.cpu if usage else None, known, path.stat().st_mtime)


def measured_page(jobs: Sequence[Job], works: Sequence[Work], units: Units, machine: Machine, cpu: str) -> str:
    """All of it in Markdown: jobs by rule, the time they took together, and what was planned by stage and by item.

    Args:
        jobs: of a run.
        works: what the plan has for it. Other jobs in the folder, of an earlier version or config, are left out.
        units: the table of unit costs.
        machine: for which the plan is made, its CPU this machine's.
        cpu: a sentence on the CPU of this machine.
    """
    mine = planned_jobs(jobs, works)
    matched = _matched(mine, works)
    left_out = [f"Left out: {len(jobs) - len(mine)} jobs that this config has not."] if len(mine) < len(jobs) else []
    seconds = "CPU-seconds" if _all_known(mine) else "job-seconds (some jobs wrote no CPU-seconds)"
    parts = [
        stages_table(mine),
        " ".join([times(mine), *left_out]),
        f"Planned seconds and measured {seconds}. {cpu}",
        planned_table(matched, units, machine),
        "Seconds of an item in resources/unit_costs.yaml, and those that fit this run:",
        units_table(matched, units, machine),
    ]
    return "\n\n".join(parts)


def planned_jobs(jobs: Iterable[Job], works: Sequence[Work]) -> list[Job]:
    """The jobs of the works of a plan."""
    return [job for job in jobs if any(_is_of(job, work) for work in works)]


def _matched(jobs: Sequence[Job], works: Iterable[Work]) -> Matched:
    return [(work, [job for job in jobs if _is_of(job, work)]) for work in works]


def _is_of(job: Job, work: Work) -> bool:
    return job.rule in PAGES if not work.at else job.name == work.at or job.name.startswith(f"{work.at}/")


def stages_table(jobs: Sequence[Job]) -> str:
    """A row per rule, and their sum."""
    rows = []
    for stage, rules in RULES.items():
        for rule in rules:
            if mine := [job for job in jobs if job.rule == rule]:
                rows.append((stage, f"`{rule}`", *_cells(mine)))
    rows.append(("all", "", *_cells(jobs)))
    return _markdown(("stage", "rule"), ("jobs", "job-seconds", "CPU-seconds", "largest job"), rows)


def _cells(jobs: Sequence[Job]) -> tuple[str, str, str, str]:
    cpu = f"{sum(job.cpu for job in jobs):,.0f}" if _all_known(jobs) else "not known"
    memory = max((job.memory for job in jobs if job.memory is not None), default=0)
    return f"{len(jobs)}", f"{sum(job.seconds for job in jobs):,.0f}", cpu, f"{memory:,.0f} MB"


def times(jobs: Sequence[Job]) -> str:
    """From the start of the first job to Table 1 and to the end, in a sentence; not of jobs of several runs."""
    started = last = min(job.started for job in jobs)
    for job in sorted(jobs, key=lambda job: job.started):
        if job.started > last + PAUSE:
            return "The jobs are of several runs, so there is no time from start to end."
        last = max(last, job.ended)
    first = [f"to the end of Table 1: {_clock(job.ended - started)}, " for job in jobs if job.name == TABLE1]
    return f"From the start of the first job {''.join(first)}to the end of the last: {_clock(last - started)}."


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def planned_table(matched: Matched, units: Units, machine: Machine) -> str:
    """A row per stage: planned and measured seconds of the jobs that ran, and their ratio."""
    rows, measure = [], _measure(matched)
    for stage in STAGES:
        mine = [(work, jobs) for work, jobs in matched if work.stage == stage and jobs]
        planned = sum(len(jobs) * seconds_of(work, units, machine) for work, jobs in mine)
        rows.append((stage, planned, sum(measure(job) for _, jobs in mine for job in jobs)))
    rows = [row for row in rows if row[1]]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    cells = [(stage, f"{one:,.0f} s", f"{two:,.0f} s", f"{two / one:.2f}" if one else "-") for stage, one, two in rows]
    return _markdown(("stage",), ("planned", "measured", "measured / planned"), cells)


def units_table(matched: Matched, units: Units, machine: Machine) -> str:
    """The seconds of an item in the table of unit costs, and those that fit this run best, to be written there.

    Fitted are the items that the table has from the default run, none negative, to the seconds of all jobs, by least
    squares of relative errors: a short job counts like a long one. Other items count as the table has them.
    """
    from scipy.optimize import nnls

    rows, rest, counts, measure = [], [], Counter[str](), _measure(matched)
    for work, jobs in matched:
        costs = {cost.work: cost.seconds * amount for cost, amount in costs_of(work, units, machine) if amount}
        fitted = [name for name in costs if FITTED in units.of(name, machine.cpu).source]
        for job in jobs:
            taken = max(measure(job), SHORTEST)
            rows.append({name: costs[name] / taken for name in fitted})
            rest.append(1 - sum(costs[name] for name in costs.keys() - fitted) / taken)
            counts.update(fitted)
    if not counts:
        return "None: no item of these jobs is in the table from the default run."
    factors, _ = nnls([[row.get(name, 0.0) for name in counts] for row in rows], rest)
    cells = []
    for (name, number), factor in zip(counts.items(), factors, strict=True):
        known = units.of(name, machine.cpu).seconds
        cells.append((f"`{name}`", f"{number}", f"{known:.3g}", f"{factor:.2f}", f"{known * factor:.3g}"))
    return _markdown(("item",), ("jobs", "in the table", "this run / table", "by this run"), cells)


def _all_known(jobs: Iterable[Job]) -> bool:
    return all(job.cpu is not None for job in jobs)


def _measure(matched: Matched) -> Callable[[Job], float]:
    """CPU-seconds where all jobs have them: what else ran on the machine takes no part. Else seconds."""
    return attrgetter("cpu" if _all_known(job for _, jobs in matched for job in jobs) else "seconds")


def _markdown(texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [(*texts, *numbers), (*("---" for _ in texts), *("---:" for _ in numbers)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
