"""The list of runs that a config asks for, and the cells of tables and the points of figures that they fill.

A pure function of the config: no torch, no files. A run is one method with one set of settings on one data set, with
all its seeds and all the label shares or shots of its protocol; equal runs are one run, whatever asks for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal import methods
from t2ipal.config.schema import Config, Dataset, Fuse, UseInstead
from t2ipal.errors import UserError
from t2ipal.methods.base import CAPTIONS, SHOTS, SYNTHETIC, TRAIN
from t2ipal.methods.prompt_learning import PromptSettings
from t2ipal.validation import unknown, validated

if TYPE_CHECKING:
    from t2ipal.methods.base import Method

BASE = "base"
PARTIAL, FEW_SHOT, NOVEL = "partial", "few_shot", "novel"
PROTOCOLS = {PARTIAL: TRAIN, FEW_SHOT: SHOTS, NOVEL: SHOTS}
"""Protocol -> the kind of rows that a method must use to take part in it."""

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Run:
    """One job's worth of training and its evaluation, or of scores made from the scores of other runs.

    Attributes:
        dataset: a key of the config's datasets.
        method: a name that `t2ipal.methods.get` knows; for scores made from scores "{method}+{what}".
        variant: "base", a protocol, "{key}={value}" for each change, or both, joined by commas.
        seeds: the training seeds worth running.
        kinds: kinds of rows the loss uses, a subset of {captions, synthetic, train, shots}.
        pool, clip, t2i: keys of the config's caption pools and models.
        samples: synthetic images per caption; 0 for a run that uses none.
        settings: every setting of the method, defaults included.
        protocol: which labels are known: "" (all), "partial", "few_shot" or "novel".
        levels: percent of known labels, or shots; (0,) without a protocol.
        sources: the runs whose scores this one combines; empty for one that trains.
        combine: how: {"kind": "fuse" | "sparc" | "novel", ...}.
    """

    dataset: str
    method: str
    variant: str
    seeds: tuple[int, ...]
    kinds: frozenset[str]
    pool: str
    clip: str
    t2i: str
    samples: int
    settings: Mapping[str, Any] = field(hash=False)
    protocol: str = ""
    levels: tuple[int, ...] = (0,)
    sources: tuple[Key, ...] = ()
    combine: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> Key:
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
        tables: what `t2ipal.tables` makes each table from, by name (see `t2ipal.table_cells`).
        table1: (method, {dataset: run}) of the base runs, in the order of `methods`, for data sets without a test too.
        sweeps: by name of the sweep: {dataset: ((value, run), ...)} in the order of the values; of measured data sets.
        novel: novel classes by data set, where the config has a protocol of them.
    """

    runs: Mapping[Key, Run]
    tables: Mapping[str, Mapping[str, Any]]
    table1: tuple[tuple[str, Mapping[str, Run]], ...]
    sweeps: Mapping[str, Mapping[str, tuple[tuple[Any, Run], ...]]]
    novel: Mapping[str, tuple[str, ...]]


def make_plan(config: Config) -> Plan:
    """The runs of a config.

    Raises:
        UserError: an unknown method or setting, a value out of range, or data a method needs and no data set has.
    """
    from t2ipal import table_cells

    _check_methods(config)
    _check_classes(config)
    planner = Planner(config)
    table1 = tuple((name, {data: planner.run(data, name) for data in config.datasets}) for name in config.methods)
    tables = table_cells.make_tables(planner)
    sweeps = {
        name: {
            data: tuple(
                (value, planner.point(data, f"sweeps.{name}", sweep.method, sweep.key, value)) for value in sweep.values
            )
            for data in measured(config, sweep.datasets)
        }
        for name, sweep in config.sweeps.items()
    }
    novel = {data: planner.novel_names(data) for data in labelled_datasets(config, NOVEL)} if config.novel else {}
    return Plan(planner.runs, tables, table1, sweeps, novel)


def measured(config: Config, chosen: Collection[str] | None = None) -> dict[str, Dataset]:
    """The data sets with labelled test images, of those `chosen` if any are: the ones of a table or figure."""
    return {
        name: dataset for name, dataset in config.datasets.items() if dataset.test and (not chosen or name in chosen)
    }


def settings_of(
    config: Config, name: str, override: Mapping[str, Any] | None = None, prefix: str = "", dataset: str = ""
) -> Any:
    """The validated settings of a method: its defaults, `training`, `settings`, those of a data set, `override`.

    `training` is not for methods with a schedule of their own.
    """
    model = method_of(name).Settings
    shared = {} if method_of(name).own_schedule else config.training
    shared = {key: value for key, value in shared.items() if key in model.model_fields}
    own = config.settings.get(name, {})
    validated(model, own, f"settings.{name}")
    if dataset and name in config.datasets[dataset].settings:
        here = config.datasets[dataset].settings[name]
        validated(model, here, f"datasets.{dataset}.settings.{name}")
        own = {**own, **here}
    return validated(model, {**shared, **own, **(override or {})}, prefix or f"settings.{name}")


def labelled_datasets(config: Config, protocol: str) -> list[str]:
    """The data sets of a protocol: those with labelled training and test images that it is made for."""
    return [name for name, dataset in measured(config, getattr(config, protocol).datasets).items() if dataset.train]


@cache
def method_of(name: str) -> type[Method]:
    """The method's class, found once."""
    return methods.get(name)


def title_of(name: str) -> str:
    """What tables call a method, or scores of several."""
    return "+".join(method_of(part).title for part in name.split("+"))


def is_deterministic(name: str) -> bool:
    """Whether a method draws nothing, so that its seeds are one."""
    return len(method_of(name).seeds((0, 1))) < 2


def pools_of(config: Config, plan: Plan) -> list[str]:
    """The caption pools that runs read, in the config's order."""
    used = {dataset.pool for dataset in config.datasets.values()} | {run.pool for run in plan.runs.values()}
    return [pool for pool in config.pools if pool in used]


def readers_of(config: Config, plan: Plan, pool: str) -> list[str]:
    """The data sets whose classes are looked for in a pool."""
    readers = {run.dataset for run in plan.runs.values() if run.pool == pool}
    return [name for name, dataset in config.datasets.items() if dataset.pool == pool or name in readers]


def labels_of(config: Config, dataset: str) -> str:
    """How paths call the labels of a data set's captions: class list and filter, words and cap where there are any."""
    data = config.datasets[dataset]
    limits = [f"-{name}{value}" for name, value in (("words", data.words), ("cap", data.cap)) if value]
    return "".join((f"{Path(data.classes).stem}-{data.filter}", *limits))


def drawings_of(plan: Plan, pool: str) -> list[tuple[str, int]]:
    """What the runs need of a pool's images: (text-to-image model, samples), none if no run uses any."""
    runs = [run for run in plan.runs.values() if run.pool == pool and run.samples]
    return sorted({(t2i, max(run.samples for run in runs if run.t2i == t2i)) for t2i in {run.t2i for run in runs}})


def labelled_images(config: Config, plan: Plan) -> list[tuple[str, str]]:
    """(part, data set) of all labelled images that the runs need."""
    train = {run.dataset for run in plan.runs.values() if run.kinds & {TRAIN, SHOTS}}
    found = [("test", name) for name in measured(config)]
    found += [("validation", name) for name, dataset in config.datasets.items() if dataset.validation]
    return found + [("train", name) for name in config.datasets if name in train]


class Planner:
    """Collects runs; asking twice for the same run gives the same one."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.runs: dict[Key, Run] = {}

    def run(
        self,
        dataset: str,
        method: str,
        changes: Mapping[str, Any] | None = None,
        use: UseInstead | None = None,
        protocol: str = "",
        levels: Sequence[int] | None = None,
        place: str = "",
    ) -> Run:
        """A run that trains.

        Args:
            dataset: a key of datasets.
            method: a method.
            changes: settings that differ from those of the method's base run.
            use: models or captions that differ from those of the config's `use`.
            protocol: a key of `PROTOCOLS`, or "".
            levels: levels of the protocol; None: the config's.
            place: key of the config that asks, for messages.

        Raises:
            UserError: an unknown setting or model, or data that the method needs and the data set has not.
        """
        base = settings_of(self.config, method, dataset=dataset)
        for key in changes or {}:
            if key not in type(base).model_fields:
                raise unknown(place, key, type(base).model_fields, f"setting of {method}")
        settings = settings_of(self.config, method, changes, place, dataset)
        changed = {key: value for key, value in (changes or {}).items() if getattr(settings, key) != getattr(base, key)}
        kinds = method_of(method).kinds(settings)
        used = self._used(dataset, kinds, use, place)
        named = {key: value for key, value in used.items() if value != self._used(dataset, kinds, None, place)[key]}
        all_levels = tuple(getattr(self.config, protocol).levels) if protocol else (0,)
        if levels is not None and not set(levels) <= set(all_levels):
            all_levels = tuple(levels)
            named |= {"labels": "-".join(map(str, levels))}
        if kinds & {TRAIN, SHOTS} and self.config.datasets[dataset].train is None:
            raise UserError(f"config: datasets.{dataset}.train: missing (expected labelled images: {method} uses them)")
        return self._add(
            Run(
                dataset=dataset,
                method=method,
                variant=_variant(protocol, {**changed, **named}),
                seeds=method_of(method).seeds(self.config.seeds),
                kinds=kinds,
                settings=settings.model_dump(mode="json"),
                protocol=protocol,
                levels=all_levels,
                **used,
            )
        )

    def point(self, dataset: str, place: str, method: str, key: str, value: Any) -> Run:
        """The run of one value of a sweep: of a setting, or of the images per caption."""
        if method not in self.config.methods:
            raise unknown(f"{place}.method", method, self.config.methods, "method")
        if key == "samples":
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(
                    f"config: {place}.values: {value!r} is not a whole number >= 1 (expected images per caption)"
                )
            return self.run(dataset, method, use=UseInstead(samples=value), place=place)
        if key not in method_of(method).Settings.model_fields:
            raise unknown(
                f"{place}.key", key, [*method_of(method).Settings.model_fields, "samples"], f"setting of {method}"
            )
        return self.run(dataset, method, {key: value}, place=f"{place}.values")

    def fused(self, base: Run, partner: Run, fuse: Fuse) -> Run:
        """Scores of `base` and `partner`, both on one scale, added by weight."""
        combine = {"kind": "fuse", "weight": fuse.weight, "norm": fuse.norm}
        return self._combined(base, partner.method, [base, partner], combine)

    def standardised(self, run: Run) -> Run:
        """SPARC's normalisation of a run's scores."""
        return self._combined(run, "sparc", [run], {"kind": "sparc"})

    def novel(self, run: Run) -> Run:
        """The scores of a run for the novel classes alone."""
        return self._combined(run, "novel", [run], {"kind": "novel", "classes": list(self.novel_names(run.dataset))})

    def novel_names(self, dataset: str) -> tuple[str, ...]:
        """The novel classes of a data set, in the order of its class list.

        Raises:
            UserError: a name that is none of the classes, or as many novel classes as there are classes.
        """
        from t2ipal.classes import load_classes
        from t2ipal.datasets.novel import novel_classes

        names = load_classes(self.config.datasets[dataset].classes).names
        wanted = self.config.novel.classes
        if isinstance(wanted, int):
            if wanted >= len(names):
                raise UserError(
                    f"config: novel.classes: {wanted} of the {len(names)} classes of datasets.{dataset} "
                    "(expected fewer: some classes must be left to learn from)"
                )
            return tuple(names[index] for index in novel_classes(len(names), wanted))
        for name in wanted:
            if name not in names:
                raise unknown("novel.classes", name, names, f"class of datasets.{dataset}")
        return tuple(name for name in names if name in wanted)

    def _combined(self, base: Run, what: str, sources: Sequence[Run], combine: Mapping[str, Any]) -> Run:
        run = {**vars(base), "method": f"{base.method}+{what}", "kinds": frozenset(), "samples": 0, "settings": {}}
        run |= {"seeds": max((source.seeds for source in sources), key=len)}
        return self._add(Run(**{**run, "sources": tuple(source.key for source in sources), "combine": combine}))

    def _used(self, dataset: str, kinds: frozenset[str], use: UseInstead | None, place: str) -> dict[str, Any]:
        """Pool and models of a run; what a run does not use stays the config's, so that it is no other run."""
        config, use = self.config, use or UseInstead()
        for key, known in (("text_to_image", config.text_to_image), ("clip", config.clip), ("pool", config.pools)):
            if getattr(use, key) is not None and getattr(use, key) not in known:
                raise unknown(f"{place}.use.{key}", getattr(use, key), known, key.replace("_", "-"))
        reads, draws = bool(kinds & {CAPTIONS, SYNTHETIC}), SYNTHETIC in kinds
        t2i = (use.text_to_image if draws else None) or config.use.text_to_image
        return {
            "clip": use.clip or config.use.clip,
            "t2i": t2i,
            "pool": (use.pool if reads else None) or config.datasets[dataset].pool,
            "samples": (use.samples or config.text_to_image[t2i].samples) if draws else 0,
        }

    def _add(self, run: Run) -> Run:
        return self.runs.setdefault(run.key, run)


def _check_methods(config: Config) -> None:
    places = [(f"methods.{place}", name, "") for place, name in enumerate(config.methods)]
    for protocol in PROTOCOLS:
        part = getattr(config, protocol)
        if part is not None:
            places += [(f"{protocol}.methods.{place}", name, protocol) for place, name in enumerate(part.methods)]
    for key, name, protocol in places:
        try:
            method = method_of(name)
        except UserError as error:
            if "." in name:
                raise UserError(f"config: {key}: {error}") from error
            raise unknown(key, name, methods.names(), "method") from error
        if protocol and PROTOCOLS[protocol] not in method.uses:
            raise UserError(
                f"config: {key}: {name} does not learn from {PROTOCOLS[protocol]} rows (expected one that does)"
            )
        if not protocol and SHOTS in method.uses:
            raise UserError(f"config: {key}: {name} learns from few-shot draws (expected it in few_shot or novel)")
    known = {name for _, name, _ in places}
    settings = {f"datasets.{data}.settings": dataset.settings for data, dataset in config.datasets.items()}
    for place, named in {"settings": config.settings, **settings}.items():
        for name in named:
            if name not in known and name not in methods.names():
                raise unknown(place, name, sorted(known), "method")
    for sweep, spec in config.sweeps.items():
        for end in {end for pair in spec.above for end in pair if isinstance(end, str)} - set(spec.values):
            if end not in known and end not in methods.names():
                raise unknown(f"sweeps.{sweep}.above", end, sorted(known), "method")
    learners = [name for name in {*known, *methods.names()} if method_of(name).own_schedule]
    for name in config.search:
        if name not in learners:
            raise unknown("search", name, learners, "label-trained method")
    validated(PromptSettings, config.training, "training")


def _check_classes(config: Config) -> None:
    """Prompts are learned by ranking classes against each other: one class alone teaches them nothing."""
    from t2ipal.classes import load_classes

    for data, dataset in config.datasets.items():
        if len(load_classes(dataset.classes)) > 1:
            continue
        for name in config.methods:
            if issubclass(method_of(name).Settings, PromptSettings) and method_of(name).uses:
                raise UserError(
                    f"config: datasets.{data}.classes: one class, but {name} learns by ranking classes against each "
                    "other (expected two or more: add what is there instead, or methods: [zsclip])"
                )


def _variant(protocol: str, changes: Mapping[str, Any]) -> str:
    parts = [f"{key}={_text(value)}" for key, value in sorted(changes.items())]
    return ",".join([protocol, *parts] if protocol else parts) or BASE


def _text(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("/", "-").replace("{", "").replace("}", "")


__all__ = [
    "BASE",
    "CAPTIONS",
    "FEW_SHOT",
    "NOVEL",
    "PARTIAL",
    "SHOTS",
    "SYNTHETIC",
    "TRAIN",
    "Plan",
    "Planner",
    "Run",
    "make_plan",
    "method_of",
    "settings_of",
    "measured",
    "title_of",
]
