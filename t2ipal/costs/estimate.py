"""From work to GPU-hours, disk and time on a machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from t2ipal.costs.units import CPU, Cost, Units
from t2ipal.costs.workload import STAGES, Work
from t2ipal.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What there is to run on.

    Attributes:
        gpu: the kind of GPU, None for none.
        gpus: how many.
        cores: CPU cores.
        cpu: the kind of CPU, `CPU` or `AMX` of the table.
        speed: how fast a core multiplies matrices, as a multiple of the table's `CPU`.
    """

    gpu: str | None
    gpus: int
    cores: int
    cpu: str = CPU
    speed: float = 1.0


@dataclass(frozen=True)
class StageCost:
    """What a stage costs.

    Attributes:
        stage: its name.
        jobs: how many.
        gpu_hours: hours that GPUs are held, over all jobs; 0 without one.
        core_hours: hours that cores are held, over all jobs.
        longest: hours of the longest job.
        disk: bytes that are written.
        wall: hours, if nothing but this stage runs.
    """

    stage: str
    jobs: int
    gpu_hours: float
    core_hours: float
    longest: float
    disk: float
    wall: float


def seconds_of(work: Work, units: Units, machine: Machine) -> float:
    """Seconds of one job: GPU work, and the CPU work next to it."""
    return sum(cost.seconds * amount for cost, amount in costs_of(work, units, machine))


def costs_of(work: Work, units: Units, machine: Machine) -> list[tuple[Cost, float]]:
    """What one job does: the cost of an item on its device of this machine, and how many."""
    device = machine.gpu if machine.gpu and work.gpu else machine.cpu
    items = [(device, work.items), (machine.cpu, work.on_cpu)]
    return [(_cost(name, on, units, machine), amount) for on, part in items for name, amount in part.items()]


def _cost(name: str, on: str, units: Units, machine: Machine) -> Cost:
    cost = units.of(name, on)
    products = cost.hardware == CPU and name in units.products
    return replace(cost, seconds=cost.seconds / machine.speed) if products else cost


def estimate(works: Sequence[Work], units: Units, machine: Machine) -> list[StageCost]:
    """The cost of each stage, in order.

    A job that holds a GPU holds it while a core reads for it as well. Time is that of jobs packed without gaps, and at
    least that of the longest job; stages follow each other.

    Raises:
        UserError: a GPU kind that the table lacks.
    """
    if machine.gpu and machine.gpu not in units.gpus:
        raise UserError(f"config: machine.gpu: unknown GPU {machine.gpu!r} (expected one of: {', '.join(units.gpus)})")
    costs = []
    for stage in STAGES:
        mine = [(work, seconds_of(work, units, machine) / 3600) for work in works if work.stage == stage]
        on_gpu = [(work, hours) for work, hours in mine if work.gpu and machine.gpu]
        on_cores = [(work, hours) for work, hours in mine if not (work.gpu and machine.gpu)]
        gpu_hours, core_hours = _sum(on_gpu), _sum(on_cores)
        longest = max((hours for work, hours in mine if work.jobs), default=0.0)
        wall = max(gpu_hours / machine.gpus, core_hours / machine.cores, longest)
        disk = sum(work.jobs * work.size for work, _ in mine)
        jobs = sum(work.jobs for work, _ in mine)
        costs.append(StageCost(stage, jobs, gpu_hours, core_hours + gpu_hours, longest, disk, wall))
    return costs


def total(stages: Sequence[StageCost]) -> StageCost:
    """All stages, one after the other."""
    sums = {name: sum(getattr(stage, name) for stage in stages) for name in ("gpu_hours", "core_hours", "disk", "wall")}
    return StageCost("all", sum(stage.jobs for stage in stages), longest=max(s.longest for s in stages), **sums)


def used_costs(works: Sequence[Work], units: Units, machine: Machine) -> list[tuple[Cost, float]]:
    """The unit costs behind an estimate, and the hours that each accounts for, most first."""
    hours: dict[Cost, float] = {}
    for work in works:
        for cost, amount in costs_of(work, units, machine):
            hours[cost] = hours.get(cost, 0.0) + cost.seconds * amount * work.jobs / 3600
    return sorted(((cost, value) for cost, value in hours.items() if value), key=lambda item: -item[1])


def _sum(works: Iterable[tuple[Work, float]]) -> float:
    return sum(work.jobs * hours for work, hours in works)


def by_what(works: Sequence[Work], units: Units, machine: Machine) -> Mapping[str, float]:
    """Hours by what the jobs are, most first."""
    hours: dict[str, float] = {}
    for work in works:
        hours[work.what] = hours.get(work.what, 0) + work.jobs * seconds_of(work, units, machine) / 3600
    return dict(sorted(hours.items(), key=lambda item: -item[1]))
