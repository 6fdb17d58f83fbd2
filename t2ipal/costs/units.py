"""The table of unit costs: seconds of one item on one device, where the number is from, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from t2ipal.errors import UserError
from t2ipal.resource_files import resource

TABLE = resource("unit_costs.yaml")
CPU, AMX = "CPU", "CPU with AMX"
KINDS = ("measured", "quoted", "derived")


@dataclass(frozen=True)
class Cost:
    """Seconds of one item on one device.

    Attributes:
        work: what is done, a key of the table.
        hardware: the device it was measured on: one core of a CPU, or a kind of GPU.
        seconds: of one item.
        kind: measured (by this project), quoted (from a public source) or derived (from another row).
        source: where it is from, or how it follows from another row.
        date: of the measurement or the source, as year and month.
    """

    work: str
    hardware: str
    seconds: float
    kind: Literal["measured", "quoted", "derived"]
    source: str
    date: str


@dataclass(frozen=True)
class Units:
    """The whole table.

    Attributes:
        hardware: what each device is, by name.
        what: what an item of each work is.
        costs: by work and hardware.
        products: the works that are mostly products of matrices: they take time by the speed of these.
        gflops: billions of operations per second of such products on a core of `CPU`.
        sizes: bytes of one item on disk, by name.
    """

    hardware: Mapping[str, str]
    what: Mapping[str, str]
    costs: Mapping[str, Mapping[str, Cost]]
    sizes: Mapping[str, float]
    products: frozenset[str] = frozenset()
    gflops: float = 1.0

    @property
    def gpus(self) -> list[str]:
        """The GPU kinds of the table."""
        return [name for name in self.hardware if name not in (CPU, AMX)]

    def of(self, work: str, hardware: str) -> Cost:
        """The cost of a work on a device.

        For a CPU with AMX that has no number of its own it is the other CPU's. For a GPU that has none it follows from
        the CPU's: divided by how much faster that GPU encodes images. Nobody published the seconds of a training step
        of ours.
        """
        known = self.costs[work]
        if hardware in known:
            return known[hardware]
        if hardware == AMX:
            return known[CPU]
        times = self.costs["clip_gflop"][CPU].seconds / self.costs["clip_gflop"][hardware].seconds
        here = known[CPU]
        how = f"CPU's {here.seconds:.3g} s / {times:.0f}, the ratio of clip_gflop"
        return Cost(work, hardware, here.seconds / times, "derived", how, here.date)


def _cost(work: str, name: str, cost: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> Cost:
    """A row; one that has `times` instead of seconds is that many times the CPU's."""
    about = dict(cost)
    if "times" in about:
        about["seconds"] = about.pop("times") * others[CPU]["seconds"]
    return Cost(work, name, **about)


def load_units(path: Path = TABLE) -> Units:
    """Read the table.

    Raises:
        UserError: no table, or one that is not complete; the message names the file and the key.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: no readable table of unit costs: {str(error).splitlines()[0]}") from error
    try:
        costs = {
            work: {name: _cost(work, name, cost, entry["on"]) for name, cost in entry["on"].items()}
            for work, entry in data["works"].items()
        }
        what = {work: entry["what"] for work, entry in data["works"].items()}
        sizes = {name: float(entry["bytes"]) for name, entry in data["sizes"].items()}
        products = frozenset(work for work, entry in data["works"].items() if entry.get("products"))
        units = Units(data["hardware"], what, costs, sizes, products, float(data["gflops"]))
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: {error}: expected gflops, hardware, works (what, on) and sizes") from error
    for work, known in units.costs.items():
        for name, cost in known.items():
            if name not in units.hardware or cost.kind not in KINDS or not cost.seconds >= 0:
                raise UserError(
                    f"{path}: works.{work}.on.{name}: expected a hardware of the table, one of {KINDS}, seconds"
                )
        if CPU not in known:
            raise UserError(f"{path}: works.{work}.on: no {CPU}; expected seconds of one core")
    return units
