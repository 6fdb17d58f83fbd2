"""The plan of costs as a person reads it in a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from t2ipal.costs.estimate import Machine, StageCost, by_what, estimate, total, used_costs

if TYPE_CHECKING:
    from t2ipal.costs.units import Units
    from t2ipal.costs.workload import Work

SHOWN = 6
"""Kinds of jobs that are named."""


def cost_page(
    name: str,
    works: Sequence[Work],
    assumed: Sequence[str],
    units: Units,
    machine: Machine,
    width: int = 110,
    notes: Sequence[str] = (),
) -> str:
    """Tables of stages and of the unit costs behind them, and what was assumed, in lines of at most `width`.

    `notes` are lines about the machine and the runs.

    Raises:
        UserError: a GPU kind that the table lacks.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    stages = estimate(works, units, machine)
    plain = {"box": box.SIMPLE_HEAD, "title_justify": "left", "title_style": "", "pad_edge": False}
    table = Table(title=f"What results/{name}/ costs on {describe(machine)}, from nothing", **plain)
    table.add_column("stage")
    for head in ("jobs", "GPU-hours", "core-hours", "longest job", "disk", "time"):
        table.add_column(head, justify="right")
    for stage in stages:
        table.add_row(*row(stage, machine))
    table.add_section()
    table.add_row(*row(total(stages), machine))
    costs = Table(title="Cost of an item (resources/unit_costs.yaml), by the hours that it makes", **plain)
    for head in ("hours", "seconds", "item", "on", "known by"):
        costs.add_column(head, justify="right" if head in ("hours", "seconds") else "left")
    for cost, hours in used_costs(works, units, machine):
        if hours >= 0.001 * sum(stage.core_hours for stage in stages):
            known = f"{cost.kind}, {cost.date}: {cost.source}"
            costs.add_row(hours_text(hours), f"{cost.seconds:.3g}", units.what[cost.work], cost.hardware, known)
    largest = Table(title="Where the hours are", **plain)
    largest.add_column("hours", justify="right")
    largest.add_column("jobs")
    for what, hours in list(by_what(works, units, machine).items())[:SHOWN]:
        largest.add_row(hours_text(hours), what)
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False, markup=False)
    for part in (table, largest, costs):
        console.print(part)
    for line in [*notes, "Counts:", *(f"- {text}" for text in assumed or ["all counted in what is there"])]:
        console.print(line)
    console.print("Nothing has run. Quoted and derived seconds are estimates; the stages follow each other.")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def row(stage: StageCost, machine: Machine) -> list[str]:
    """The cells of a stage."""
    hours = [stage.gpu_hours, stage.core_hours, stage.longest]
    cells = [hours_text(value) for value in hours]
    if not machine.gpu:
        cells[0] = "-"
    return [stage.stage, f"{stage.jobs:,}", *cells, bytes_text(stage.disk), time_text(stage.wall)]


def describe(machine: Machine) -> str:
    """The machine in words."""
    cores = f"{machine.cores} CPU core{'s' * (machine.cores > 1)}"
    return f"{machine.gpus} x {machine.gpu} and {cores}" if machine.gpu else cores


def hours_text(hours: float) -> str:
    """Hours with the digits that mean something."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}" if hours >= 0.01 else "<0.01" if hours else "0"


def time_text(hours: float) -> str:
    """A time in the unit that suits it."""
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"


def bytes_text(size: float) -> str:
    """Bytes in the unit that suits them."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.0f} kB"
