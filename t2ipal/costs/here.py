"""The machine of an estimate: that of the config, its CPU that of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2ipal.costs.estimate import Machine
from t2ipal.costs.speed import gflops
from t2ipal.costs.units import AMX, CPU
from t2ipal.cpu import this_cpu

if TYPE_CHECKING:
    from t2ipal.config import schema
    from t2ipal.costs.units import Units


def machine_of(asked: schema.Machine, units: Units) -> tuple[Machine, str]:
    """The machine to estimate for, and a sentence on its CPU.

    With a GPU it is another machine than this one, so that its cores count as the table's.
    """
    if asked.gpu:
        return Machine(asked.gpu, asked.gpus, asked.cores), f"Work on cores: as on {units.hardware[CPU]}."
    cpu = this_cpu()
    measured = gflops(min(asked.cores, cpu.cores)) or units.gflops
    kind = AMX if cpu.kind == "AMX" else CPU
    text = (
        f"Seconds are for this CPU, {cpu}: {measured:.0f} GFLOP/s a core, the table's has {units.gflops:.0f} (float32)."
    )
    return Machine(None, asked.gpus, asked.cores, kind, measured / units.gflops), text
