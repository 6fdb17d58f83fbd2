"""Runs: what trains and what combines scores, each with all its seeds and levels.

A run is one method with one set of settings on one data set; equal runs are one run, whatever asks for them. Pure
functions of the config: no torch, no files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from t2ipal import methods
from t2ipal.classes import load_classes
from t2ipal.config import Config
from t2ipal.config.schema import SAMPLES, Dataset, Fusing, UseInstead
from t2ipal.errors import UserError
from t2ipal.features.fields import LOCAL
from t2ipal.methods.prompt_learning import PromptSettings
from t2ipal.metrics.combinations import (
    SCALED,
    Calibration,
    Combination,
    Fusion,
    RuleName,
    ScoreRule,
    Selection,
    plain_of,
)
from t2ipal.names import key as name_key
from t2ipal.plan.specs import RunKey
from t2ipal.protocols import PROTOCOLS
from t2ipal.protocols.novel import sample_novel_classes
from t2ipal.rows import SHOTS, inputs_of
from t2ipal.validation import unknown, validated

if TYPE_CHECKING:
    from t2ipal.methods.base import Method

BASE = "base"
LONGEST = 160
"""Bytes of a variant in paths; file systems allow 255 for a name with its suffix."""


@dataclass(frozen=True)
class Run:
    """One job's worth of training and its evaluation, or of scores made from the scores of other runs.

    Attributes:
        dataset: a key of the config's datasets.
        method: a name for `t2ipal.methods.get`; for scores made from scores "{method}+{what}".
        variant: "base", a protocol, "{key}={value}" for each change, or both, joined by commas.
        seeds: the training seeds worth running.
        kinds: kinds of rows the loss uses, keys of `t2ipal.rows.KINDS`.
        pool, clip, t2i: keys of the config's caption pools and models.
        samples: synthetic images per caption; 0 for a run that uses none.
        settings: every setting of the method, defaults included.
        fields: features of images that training and scores read; none where scores are made from scores alone.
        protocol: which labels are known: "" (all), "partial", "few_shot" or "novel".
        levels: percent of known labels, or shots; (0,) without a protocol.
        sources: the runs whose scores this one combines; empty for one that trains.
        combine: how; None for one that trains.
        held_out: percent of the captions that training leaves out, for the calibration of a recogniser.
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
    fields: frozenset[str] = frozenset()
    protocol: str = ""
    levels: tuple[int, ...] = (0,)
    sources: tuple[RunKey, ...] = ()
    combine: Combination | None = None
    held_out: int = 0

    @property
    def key(self) -> RunKey:
        """What names the run in paths."""
        return self.dataset, self.method, self.variant

    @property
    def path(self) -> str:
        """Folder of the run below runs/."""
        return "/".join(self.key)

    @property
    def trains(self) -> bool:
        """Whether a job trains it; else its scores are made from those of other runs."""
        return not self.sources

    def made(self) -> dict[str, Any]:
        """What its model, scores and metrics record that they were made with; its CLIP is to be added."""
        settings = dict(self.settings) if self.combine is None else plain_of(self.combine)
        about = {"dataset": self.dataset, "method": self.method, "variant": self.variant, "settings": settings}
        about |= {"protocol": self.protocol, "levels": list(self.levels), "seeds": list(self.seeds)}
        about |= {"pool": self.pool} if self.reads("labelled") else {}
        about |= {"held_out": self.held_out} if self.held_out else {}
        return about | ({"text_to_image": self.t2i, "samples": self.samples} if self.samples else {})

    def reads(self, name: str) -> bool:
        """Whether its training has the input `name` (see `RowKind.inputs`)."""
        return name in inputs_of(self.kinds, self.settings)


def evaluated_datasets(config: Config, chosen: Collection[str] | None = None) -> dict[str, Dataset]:
    """The data sets with labelled test images, of those `chosen` if any are: the ones of a table or figure."""
    return {
        name: dataset for name, dataset in config.datasets.items() if dataset.test and (not chosen or name in chosen)
    }


def settings_of(
    config: Config, name: str, override: Mapping[str, Any] | None = None, prefix: str = "", dataset: str = ""
) -> Any:
    """The validated settings of a method: its defaults, `training`, `settings`, those of a data set, `override`.

    `training` is not for methods with a schedule of their own.

    Raises:
        UserError: one line for the first setting that is unknown or out of range; it names the block that has it.
    """
    model = method_of(name).Settings
    shared = {} if method_of(name).own_schedule else config.training
    here = config.datasets[dataset].settings if dataset else {}
    layers = [
        ("training", {key: value for key, value in shared.items() if key in model.model_fields}),
        (f"settings.{name}", config.settings.get(name, {})),
        (f"datasets.{dataset}.settings.{name}", here.get(name, {})),
        (prefix or f"settings.{name}", override or {}),
    ]
    merged = {key: value for _, layer in layers for key, value in layer.items()}
    try:
        return model.model_validate(merged)
    except ValidationError:
        for key, layer in layers:
            validated(model, layer, key)
        return validated(model, merged, f"settings.{name}")


def variation_seeds(config: Config) -> tuple[int, ...]:
    """The training seeds of sweeps and ablations, the first of the config's."""
    return tuple(config.seeds[: config.variation_seeds])


def protocol_datasets(config: Config, protocol: str) -> list[str]:
    """The data sets of a protocol: those with labelled training and test images that it is made for."""
    return [
        name
        for name, dataset in evaluated_datasets(config, getattr(config, protocol).datasets).items()
        if dataset.train
    ]


@cache
def method_of(name: str) -> type[Method]:
    """The method's class, looked up once."""
    return methods.get(name)


def title_of(name: str) -> str:
    """The name of a method in tables, or of the scores of several."""
    return "+".join(method_of(part).title for part in name.split("+"))


def is_deterministic(name: str) -> bool:
    """Whether a method has no random choice, so that one seed is enough."""
    return len(method_of(name).seeds((0, 1))) < 2


class Planner:
    """Collects runs; asking twice for the same run gives the same one."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.runs: dict[RunKey, Run] = {}
        self._base_settings: dict[tuple[str, str], Any] = {}

    def run(
        self,
        dataset: str,
        method: str,
        changes: Mapping[str, Any] | None = None,
        use: UseInstead | None = None,
        protocol: str = "",
        levels: Sequence[int] | None = None,
        asked_by: str = "",
        variation: bool = False,
    ) -> Run:
        """A run that trains.

        Args:
            dataset: a key of datasets.
            method: a method.
            changes: settings that differ from those of the method's base run.
            use: models or captions that differ from those of the config's `use`.
            protocol: a key of `t2ipal.protocols.PROTOCOLS`, or "".
            levels: levels of the protocol; None: the config's.
            asked_by: key of the config that asks, for messages.
            variation: whether a sweep or an ablation asks: then the first seeds are enough. They are planned after the
                tables that need all seeds, so that a run of both has all.

        Raises:
            UserError: an unknown setting or model, or data that the method needs and the data set has not.
        """
        base = self._base(dataset, method)
        for key in changes or {}:
            if key not in type(base).model_fields:
                raise unknown(asked_by, key, type(base).model_fields, f"setting of {method}")
        settings = settings_of(self.config, method, changes, asked_by, dataset) if changes else base
        changed = {key: value for key, value in (changes or {}).items() if getattr(settings, key) != getattr(base, key)}
        kinds = method_of(method).kinds(settings)
        used = plain = self._used(dataset, kinds, UseInstead(), asked_by)
        if use is not None and use != UseInstead():
            used = self._used(dataset, kinds, use, asked_by)
        named = {key: value for key, value in used.items() if value != plain[key]}
        all_levels = tuple(getattr(self.config, protocol).levels) if protocol else (0,)
        if levels is not None and not set(levels) <= set(all_levels):
            all_levels = tuple(levels)
            named |= {"labels": "-".join(map(str, levels))}
        if "train_images" in inputs_of(kinds, {}) and self.config.datasets[dataset].train is None:
            raise UserError(f"config: datasets.{dataset}.train: missing (expected labelled images: {method} uses them)")
        return self._add(
            Run(
                dataset=dataset,
                method=method,
                variant=_variant(protocol, {**changed, **named}),
                seeds=method_of(method).seeds(variation_seeds(self.config) if variation else self.config.seeds),
                kinds=kinds,
                settings=settings.model_dump(mode="json"),
                fields=method_of(method).image_fields(settings),
                protocol=protocol,
                levels=all_levels,
                held_out=self._held_out(dataset, kinds),
                **used,
            )
        )

    def _held_out(self, dataset: str, kinds: frozenset[str]) -> int:
        data = self.config.datasets[dataset]
        return data.calibrate_share if data.calibrate and "labelled" in inputs_of(kinds, {}) else 0

    def point(self, dataset: str, asked_by: str, method: str, key: str, value: Any) -> Run:
        """The run of one value of a sweep: of a setting, or of the images per caption."""
        if method not in self.config.methods:
            raise unknown(f"{asked_by}.method", method, self.config.methods, "method")
        if key == "samples":
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= SAMPLES:
                raise UserError(
                    f"config: {asked_by}.values: {value!r} is not a whole number from 1 to {SAMPLES} "
                    "(expected images per caption)"
                )
            if "images" not in inputs_of(method_of(method).uses, {}):
                raise UserError(f"config: {asked_by}.key: {method} uses no generated images (expected a setting of it)")
            return self.run(dataset, method, use=UseInstead(samples=value), asked_by=asked_by, variation=True)
        if key not in method_of(method).Settings.model_fields:
            raise unknown(
                f"{asked_by}.key", key, [*method_of(method).Settings.model_fields, "samples"], f"setting of {method}"
            )
        return self.run(dataset, method, {key: value}, asked_by=f"{asked_by}.values", variation=True)

    def fused(self, base: Run, partner: Run, fuse: Fusing) -> Run:
        """Scores of `base` and `partner`, both on one scale, added by weight."""
        return self._combined(base, partner.method, [base, partner], Fusion(fuse.weight, fuse.norm))

    def by_rule(
        self, run: Run, rule: RuleName | Literal["own", "calibrated"], scale: float | None = None, asked_by: str = ""
    ) -> Run:
        """A run's scores by a score rule; the run itself for its own scores.

        Args:
            run: one that trains.
            rule: a name of `t2ipal.metrics.score_rules`, "own", or "calibrated" for probabilities.
            scale: factor before the rule's softmax; None: 1 for a softmax over CLIP's logits, else from the scores.
            asked_by: key of the config that asks, for messages.

        Raises:
            UserError: a rule that its method does not allow, or a scale for a rule without one.
        """
        method = method_of(run.method)
        if scale is not None and rule not in SCALED:
            expected = f"scores: {' or '.join(SCALED)}"
            raise UserError(f"config: {asked_by}.score_scale: {scale:g} with scores: {rule} (expected {expected})")
        if rule == "own":
            return run
        if rule == "calibrated":
            if self.config.datasets[run.dataset].validation is None or run.protocol:
                raise UserError(
                    f"config: {asked_by}.scores: 'calibrated' on {run.dataset} (expected a data set with labelled "
                    "validation images, and a row without `labels`)"
                )
            return self._combined(run, rule, [run], Calibration(variation_seeds(self.config)))
        if rule == "cells" and not method.has_cells:
            raise UserError(
                f"config: {asked_by}.scores: 'cells' with {run.method}, which compares no class embeddings with local "
                "maps (expected another rule, or a method that does: zsclip, clip_dpt, tai_dpt, t2i_pal, oracle)"
            )
        if rule == "softmax" and method.has_logits and scale is None:
            scale = 1.0
        fields = run.fields | {LOCAL} if rule == "cells" else frozenset()
        return self._combined(run, rule, [run], ScoreRule(rule, scale), fields)

    def novel(self, run: Run) -> Run:
        """The scores of a run for the novel classes alone."""
        return self._combined(run, "novel", [run], Selection(self.novel_names(run.dataset)))

    def novel_names(self, dataset: str) -> tuple[str, ...]:
        """The novel classes of a data set, in the order of its class list.

        Raises:
            UserError: a name that is none of the classes, or as many novel classes as there are classes.
        """
        names = load_classes(self.config.datasets[dataset].classes).names
        wanted = self.config.novel.classes
        if isinstance(wanted, int):
            if wanted >= len(names):
                raise UserError(
                    f"config: novel.classes: {wanted} of the {len(names)} classes of datasets.{dataset} "
                    "(expected fewer: some classes must be left to learn from)"
                )
            return tuple(names[index] for index in sample_novel_classes(len(names), wanted))
        known = {name_key(name) for name in names}
        for name in wanted:
            if name_key(name) not in known:
                raise unknown("novel.classes", name, names, f"class of datasets.{dataset}")
        chosen = {name_key(name) for name in wanted}
        if len(chosen) < len(wanted):
            raise UserError(f"config: novel.classes: {wanted} holds one twice (expected different classes)")
        if len(chosen) == len(names):
            raise UserError(
                f"config: novel.classes: all {len(names)} classes of datasets.{dataset} "
                "(expected fewer: some classes must be left to learn from)"
            )
        return tuple(name for name in names if name_key(name) in chosen)

    def _combined(
        self,
        base: Run,
        what: str,
        sources: Sequence[Run],
        combine: Combination,
        fields: frozenset[str] = frozenset(),
    ) -> Run:
        run = {**vars(base), "method": f"{base.method}+{what}", "kinds": frozenset(), "samples": 0, "settings": {}}
        run |= {"fields": fields}
        run |= {"seeds": max((source.seeds for source in sources), key=len)}
        return self._add(Run(**{**run, "sources": tuple(source.key for source in sources), "combine": combine}))

    def _base(self, dataset: str, method: str) -> Any:
        """The settings of a method's base run on a data set, validated once."""
        if (dataset, method) not in self._base_settings:
            self._base_settings[dataset, method] = settings_of(self.config, method, dataset=dataset)
        return self._base_settings[dataset, method]

    def _used(self, dataset: str, kinds: frozenset[str], use: UseInstead, asked_by: str) -> dict[str, Any]:
        """Pool and models of a run; what a run does not use stays the config's, so that it is no other run."""
        config = self.config
        for key, known in (("text_to_image", config.text_to_image), ("clip", config.clip), ("pool", config.pools)):
            if getattr(use, key) is not None and getattr(use, key) not in known:
                raise unknown(f"{asked_by}.use.{key}", getattr(use, key), known, key.replace("_", "-"))
        inputs = inputs_of(kinds, {})
        reads, generates = "labelled" in inputs, "images" in inputs
        t2i = (use.text_to_image if generates else None) or config.use.text_to_image
        return {
            "clip": use.clip or config.use.clip,
            "t2i": t2i,
            "pool": (use.pool if reads else None) or config.datasets[dataset].pool,
            "samples": (use.samples or config.text_to_image[t2i].samples) if generates else 0,
        }

    def _add(self, run: Run) -> Run:
        """The run, or the equal one that is there with its seeds; of others of one name the later has a digest."""
        same = self.runs.setdefault(run.key, run)
        if replace(run, seeds=same.seeds) == same and set(run.seeds) <= set(same.seeds):
            return same
        about = (run.settings, run.pool, run.clip, run.t2i, run.samples, run.levels, run.sources, run.combine)
        named = replace(run, variant=f"{run.variant}-{sha256(repr(about).encode()).hexdigest()[:8]}")
        return self.runs.setdefault(named.key, named)


def check_methods(config: Config) -> None:
    """Check that every method that the config names exists, and learns from what its table offers.

    Raises:
        UserError: one line for the first that is not so.
    """
    named = [(f"methods.{index}", name, "") for index, name in enumerate(config.methods)]
    for protocol in PROTOCOLS:
        part = getattr(config, protocol)
        if part is not None:
            named += [(f"{protocol}.methods.{index}", name, protocol) for index, name in enumerate(part.methods)]
    for key, name, protocol in named:
        _check_method(key, name, protocol)
    shown = [data for data, dataset in config.datasets.items() if dataset.photos]
    for name in config.methods:
        if shown and method_of(name).transductive:
            raise UserError(
                f"config: datasets.{shown[0]}.photos: {name} scores images by each other, so it cannot predict photos "
                "(expected it in `extra` instead of `methods`)"
            )
    known = {name for _, name, _ in named}
    settings = {f"datasets.{data}.settings": dataset.settings for data, dataset in config.datasets.items()}
    for key, by_method in {"settings": config.settings, **settings}.items():
        for name in by_method:
            if name not in known and name not in methods.names():
                raise unknown(key, name, sorted(known), "method")
    for sweep, spec in config.sweeps.items():
        for first, second in spec.above:
            if first == second:
                raise UserError(f"config: sweeps.{sweep}.above: {first!r} above itself (expected something else)")
        for end in {end for pair in spec.above for end in pair if isinstance(end, str)} - set(spec.values):
            if end not in known and end not in methods.names():
                raise unknown(f"sweeps.{sweep}.above", end, sorted(known), "method")
    by_protocol = {name for _, name, protocol in named if protocol}
    learners = {name for name in {*known, *methods.names()} if method_of(name).own_schedule or method_of(name).uses}
    for name in config.search:
        if name not in learners:
            raise unknown("search", name, sorted(learners), "method that learns")
        level = config.search[name].level
        if name in by_protocol and level is None:
            raise UserError(f"config: search.{name}.level: missing (expected the percent of labels, or the shots)")
        if name in config.methods and name not in by_protocol and level is not None:
            raise UserError(f"config: search.{name}.level: {level} (expected none: {name} has no label levels)")
        _check_search(config, name)
    validated(PromptSettings, config.training, "training")


def _check_search(config: Config, name: str) -> None:
    """Every value of a search is one that its method takes."""
    search, known = config.search[name], method_of(name).Settings.model_fields
    for part, grid in ((f"search.{name}.grid", search.grid), (f"search.{name}.then", search.then)):
        for key, values in grid.items():
            if key not in known:
                raise unknown(part, key, known, f"setting of {name}")
            for value in values:
                settings_of(config, name, {key: value}, part)


def _check_method(key: str, name: str, protocol: str) -> None:
    try:
        method = method_of(name)
    except UserError as error:
        if "." in name:
            raise UserError(f"config: {key}: {error}") from error
        raise unknown(key, name, methods.names(), "method") from error
    if missing := ", ".join(sorted(method.__abstractmethods__)):
        raise UserError(f"config: {key}: {name} has no {missing} (expected a method that has them)")
    if protocol and PROTOCOLS[protocol] not in method.uses:
        raise UserError(
            f"config: {key}: {name} does not learn from {PROTOCOLS[protocol]} rows (expected one that does)"
        )
    if not protocol and SHOTS in method.uses:
        raise UserError(f"config: {key}: {name} learns from few-shot samples (expected it in few_shot or novel)")


def check_classes(config: Config) -> None:
    """Check that there are two classes or more: prompts are learned by ranking classes against each other.

    Raises:
        UserError: one class, and a method that ranks.
    """
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
    variant = ",".join([protocol, *parts] if protocol else parts) or BASE
    if len(variant.encode()) <= LONGEST:
        return variant
    return f"{variant.encode()[: LONGEST // 2].decode(errors='ignore')}-{sha256(variant.encode()).hexdigest()[:8]}"


def _text(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("/", "-").replace("{", "").replace("}", "")
