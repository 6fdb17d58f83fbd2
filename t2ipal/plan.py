"""The list of runs that a config asks for, and the cell of a table or figure that each of them fills.

A pure function of the config: no torch, no files. A run is one method with one set of settings on one data set, with
all its seeds; equal runs are one run, whatever asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from t2ipal import methods
from t2ipal.config import Config, unknown, validated
from t2ipal.errors import UserError
from t2ipal.methods.base import CAPTIONS, SYNTHETIC, TRAIN, TrainingSettings

if TYPE_CHECKING:
    from t2ipal.methods.base import Method

BASE = "base"


@dataclass(frozen=True)
class Run:
    """One job's worth of training and its evaluation.

    Attributes:
        dataset: a key of the config's datasets.
        method: a name that `t2ipal.methods.get` knows.
        variant: "base", or "{key}={value}" of a sweep.
        seeds: the training seeds worth running.
        kinds: kinds of rows the loss uses, a subset of {captions, synthetic, train}.
        clip, t2i: keys of the config's models.
        samples: synthetic images per caption; 0 for a run that uses none.
        settings: every setting of the method, defaults included.
    """

    dataset: str
    method: str
    variant: str
    seeds: tuple[int, ...]
    kinds: frozenset[str]
    clip: str
    t2i: str
    samples: int
    settings: Mapping[str, Any] = field(hash=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the run in paths."""
        return self.dataset, self.method, self.variant

    @property
    def path(self) -> str:
        """Folder of the run below runs/."""
        return "/".join(self.key)


@dataclass(frozen=True)
class Plan:
    """All runs by key, and which of them each table and figure needs.

    Attributes:
        runs: by (dataset, method, variant).
        table1: rows of Table 1: (method, {dataset: run}).
        sweeps: by name of the sweep: {dataset: ((value, run), ...)} in the order of the values.
    """

    runs: Mapping[tuple[str, str, str], Run]
    table1: tuple[tuple[str, Mapping[str, Run]], ...]
    sweeps: Mapping[str, Mapping[str, tuple[tuple[Any, Run], ...]]]


def make_plan(config: Config) -> Plan:
    """The runs of a config.

    Raises:
        UserError: an unknown method or setting, a value out of range, or data a method needs and no data set has.
    """
    _check_settings(config)
    table1 = tuple((name, {data: _run(config, data, name) for data in config.datasets}) for name in config.methods)
    sweeps = {
        name: {
            data: tuple(
                (value, _run(config, data, sweep.method, sweep.key, value, f"sweeps.{name}")) for value in sweep.values
            )
            for data in config.datasets
        }
        for name, sweep in config.sweeps.items()
    }
    runs = {run.key: run for _, row in table1 for run in row.values()}
    runs |= {run.key: run for by_data in sweeps.values() for points in by_data.values() for _, run in points}
    return Plan(runs, table1, sweeps)


def settings_of(config: Config, name: str, override: Mapping[str, Any] | None = None, prefix: str = "") -> Any:
    """The validated settings of a method: its defaults, then `training`, then `settings`, then `override`."""
    model = method_of(name).Settings
    shared = {key: value for key, value in config.training.items() if key in model.model_fields}
    own = config.settings.get(name, {})
    validated(model, own, f"settings.{name}")
    return validated(model, {**shared, **own, **(override or {})}, prefix or f"settings.{name}")


@cache
def method_of(name: str) -> type[Method]:
    """The method's class, found once."""
    return methods.get(name)


def _check_settings(config: Config) -> None:
    for place, name in enumerate(config.methods):
        try:
            method_of(name)
        except UserError as error:
            if "." in name:
                raise UserError(f"config: methods.{place}: {error}") from error
            raise unknown(f"methods.{place}", name, methods.names(), "method") from error
    for name in config.settings:
        if name not in config.methods and name not in methods.names():
            raise unknown("settings", name, config.methods, "method")
    for name, sweep in config.sweeps.items():
        if sweep.method not in config.methods:
            raise unknown(f"sweeps.{name}.method", sweep.method, config.methods, "method")
    validated(TrainingSettings, config.training, "training")


def _run(config: Config, dataset: str, method: str, key: str | None = None, value: Any = None, place: str = "") -> Run:
    base = settings_of(config, method)
    if key is None:
        settings, variant = base, BASE
    else:
        if key not in base.model_fields_set and key not in type(base).model_fields:
            raise unknown(f"{place}.key", key, type(base).model_fields, f"setting of {method}")
        settings = settings_of(config, method, {key: value}, f"{place}.values")
        variant = BASE if settings == base else f"{key}={_text(value)}"
    kinds = method_of(method).kinds(settings)
    if TRAIN in kinds and config.datasets[dataset].train is None:
        raise UserError(f"config: datasets.{dataset}.train: missing (expected labelled images: {method} uses them)")
    return Run(
        dataset=dataset,
        method=method,
        variant=variant,
        seeds=method_of(method).seeds(config.seeds),
        kinds=kinds,
        clip=config.use.clip,
        t2i=config.use.text_to_image,
        samples=config.text_to_image[config.use.text_to_image].samples if SYNTHETIC in kinds else 0,
        settings=settings.model_dump(mode="json"),
    )


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["BASE", "CAPTIONS", "SYNTHETIC", "TRAIN", "Plan", "Run", "make_plan", "method_of", "settings_of"]
