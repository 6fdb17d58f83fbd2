"""A config as work: which jobs there will be, and how much of what each does. A pure function of config and plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal import backbones
from t2ipal.classes import load_classes
from t2ipal.costs.counts import captions_of, images_of, kept_of, photos_of
from t2ipal.features.fields import LOCAL, stored_bytes
from t2ipal.plan import queries
from t2ipal.plan.image_fields import generated_fields, labelled_fields
from t2ipal.rows import SHOTS, inputs_of

if TYPE_CHECKING:
    from t2ipal.config.schema import Config
    from t2ipal.plan.make import Plan
    from t2ipal.plan.runs import Run
    from t2ipal.sources.base import Counted

STAGES = ("captions", "images", "features", "training", "evaluation", "paper and report")
ROWS = ("ssgrl", "sarb", "gcn_ml", "partial_bce")
"""Methods without prompts whose training rows have a cost of their own at the paper's scale."""
MICRO_ROWS = (*ROWS, "comc", "laso", "ml_fsl")
"""The same in the micro world, where a row is so little that the rest of a step is most of its cost."""
TOKENS = 12
"""Tokens of a caption that are stored, start and end mark among them (measured: 11 to 14)."""


@dataclass(frozen=True)
class Work:
    """Jobs of one kind and size.

    Attributes:
        stage: one of `STAGES`.
        what: what a person would call them.
        jobs: how many.
        items: amount of each work (a key of the unit costs) in one job, on a GPU where there is one.
        on_cpu: the same, of what needs a core even where there is a GPU: reading, decoding.
        size: bytes that one job writes.
        gpu: whether the jobs hold a GPU, if the machine has one.
        at: where their records are below `benchmarks/`: the name of one job or a folder of several; "" for many places.
    """

    stage: str
    what: str
    jobs: int
    items: Mapping[str, float] = field(default_factory=dict)
    on_cpu: Mapping[str, float] = field(default_factory=dict)
    size: float = 0
    gpu: bool = False
    at: str = ""


@dataclass(frozen=True)
class Vision:
    """What counts of a CLIP: operations in billions per image, joint space, cells of its local map."""

    gflops: float
    dim: int
    cells: int


def vision_of(model: str, image_size: int) -> Vision:
    """A backbone's sizes by its name or its file's, without reading it."""
    about = backbones.describe(model)
    return Vision(about.gflops_at(image_size), about.dim, about.cells_at(image_size))


def is_micro(model: str) -> bool:
    """Whether a model is one of the embedded ones."""
    return "zoo" in Path(model).parts


class Workload:
    """All jobs of a config, and what had to be assumed to count them."""

    def __init__(self, config: Config, plan: Plan, sizes: Mapping[str, float], results: Path, pages: int) -> None:
        """
        Args:
            config, plan: what is to be run.
            sizes: bytes of one item on disk, by name.
            results: folder of the config's results: what is there is counted instead of assumed.
            pages: jobs of tables, figures and report.
        """
        self.config, self.plan, self.sizes, self.results, self.pages = config, plan, sizes, results, pages
        self.assumed: list[str] = []

    def all(self) -> list[Work]:
        """The jobs by stage."""
        works = [*self._captions(), *self._images(), *self._features(), *self._runs(), *self._predictions()]
        return [*works, Work(STAGES[5], "tables, figures, pictures", self.pages, {}, {"page": 1}, 2e5)]

    @property
    def trained(self) -> str:
        """How many runs train, and how often with a seed, in words."""
        runs = [run for run in self.plan.runs.values() if run.kinds]
        return f"{len(runs)} runs, {sum(len(run.seeds) for run in runs)} run-seeds (a run trained with one seed)"

    def _note(self, count: Counted) -> int:
        if count.how and count.how not in self.assumed:
            self.assumed.append(count.how)
        return count.items

    def _kept(self, pool: str, dataset: str) -> int:
        return self._note(kept_of(self.config, pool, dataset, queries.labels_name(self.config, dataset), self.results))

    def _selected(self, pool: str) -> int:
        """Captions that any data set keeps: at least those of the one that keeps most, which is what is counted."""
        return max((self._kept(pool, dataset) for dataset in queries.readers(self.config, self.plan, pool)), default=0)

    def _rows(self, dataset: str, part: str) -> int:
        return self._note(images_of(self.config, dataset, part, self.results))

    def _captions(self) -> Iterator[Work]:
        for pool in queries.pools(self.config, self.plan):
            every = self._note(captions_of(self.config, pool, self.results))
            micro = self.config.pools[pool].source == "micro"
            items = {"start_light": 1, "micro_caption" if micro else "read_caption": every}
            yield Work(STAGES[0], f"read {pool}", 1, {}, items, every * 80, at=f"captions_read/{pool}")
            lists = {
                queries.labels_name(self.config, dataset) for dataset in queries.readers(self.config, self.plan, pool)
            }
            for name in sorted(lists):
                items = {"start_light": 1, "noun_start": 1, "noun_filter": every}
                at = f"captions_label/{pool}/{name}"
                yield Work(STAGES[0], f"nouns of {name}", 1, {}, items, every * 60, at=at)
            size = self._selected(pool) * 40
            yield Work(STAGES[0], f"list {pool}", 1, {}, {"start_light": 1}, size, at=f"captions_selected/{pool}")

    def _images(self) -> Iterator[Work]:
        for pool in queries.pools(self.config, self.plan):
            for t2i, samples in queries.images_to_generate(self.plan, pool):
                model, shards = self.config.text_to_image[t2i], self.config.pools[pool].shards
                images = self._selected(pool) / shards
                if model.source != "diffusers":
                    items, size = {"start_light": 1, "list_image": images}, images * self.sizes["png"]
                    what, at = f"read images of {pool} from {t2i}", f"existing_images/{pool}/{t2i}"
                    yield Work(STAGES[1], what, samples * shards, {}, items, size, at=at)
                    continue
                passes = model.step_count * (2 if model.guidance > 1 else 1)
                if is_micro(model.model):  # any other counts as Stable Diffusion 1.5
                    items, size = {"micro_pass": images * passes}, self.sizes["micro_image"]
                else:
                    area = (model.width or 512) * (model.height or 512) / 512**2
                    items = {"unet_pass": images * passes * area, "vae_decode": images * area}
                    size = self.sizes[model.encoding] * area
                what = f"generate {pool} with {t2i}"
                size, at = images * size, f"generate/{pool}/{t2i}"
                yield Work(STAGES[1], what, samples * shards, items, {"start": 1}, size, gpu=True, at=at)
        for part, dataset in queries.labelled_images(self.config, self.plan):
            rows = self._rows(dataset, part)
            source = getattr(self.config.datasets[dataset], part)
            items = {"start_light": 1, "list_image" if source.photographs else "micro_scene": rows}
            size = 60 if source.photographs else self.sizes["micro_scene"]
            what, at = f"list {part} images of {dataset}", f"labelled_images/{part}/{dataset}"
            yield Work(STAGES[1], what, 1, {}, items, rows * size, at=at)

    def _encode(
        self, what: str, jobs: int, clip: str, images: float, photographs: bool, fields: Collection[str] = ()
    ) -> Work:
        model = self.config.clip[clip]
        vision = vision_of(model.model, model.image_size)
        vectors = sum(vision.cells if name == LOCAL else 1 for name in fields)
        size = images * vectors * stored_bytes(model.store, vision.dim)
        reads = {"start": 1, "read_photograph" if photographs else "read_drawn": images}
        items = {"micro_encode": images} if is_micro(model.model) else {"clip_gflop": images * vision.gflops}
        return Work(STAGES[2], what, jobs, items, reads, size, gpu=True)

    def _texts(self, what: str, clip: str, texts: int) -> Work:
        model = self.config.clip[clip]
        items = {"micro_text" if is_micro(model.model) else "caption_features": texts}
        size = texts * (TOKENS + 1) * stored_bytes(model.store, vision_of(model.model, model.image_size).dim)
        return Work(STAGES[2], what, 1, items, {"start": 1}, size, gpu=True)

    def _features(self) -> Iterator[Work]:
        trained = [run for run in self.plan.runs.values() if not run.sources]
        for clip, pool in sorted({(run.clip, run.pool) for run in trained if _reads(run, "captions")}):
            work = self._texts(f"captions of {pool} by {clip}", clip, self._selected(pool))
            yield replace(work, at=f"features_captions/{clip}/{pool}")
        wanted = [run for run in trained if _reads(run, "templates")]
        lists = {(run.clip, queries.classes_name(self.config, run.dataset)): run.dataset for run in wanted}
        for (clip, name), dataset in sorted(lists.items()):
            texts = 89 * len(load_classes(self.config.datasets[dataset].classes).names)
            work = self._texts(f"templates of {name} by {clip}", clip, texts)
            yield replace(work, at=f"features_templates/{clip}/{name}")
        most = dict.fromkeys(queries.audited_images(self.config, self.plan), 1)
        for run in trained:
            if run.samples:
                image_set = (run.clip, run.pool, run.t2i)
                most[image_set] = max(most.get(image_set, 0), run.samples)
        for (clip, pool, t2i), samples in sorted(most.items()):
            shards = self.config.pools[pool].shards
            model = self.config.text_to_image[t2i]
            micro = model.source == "diffusers" and is_micro(model.model)
            what = f"generated images of {pool} ({t2i}) by {clip}"
            fields = generated_fields(self.config, self.plan, clip, pool, t2i)
            images, existing = self._selected(pool) / shards, model.source != "diffusers"
            work = self._encode(what, samples * shards, clip, images, existing, fields)
            work = replace(work, at=f"features_generated/{clip}/{pool}/{t2i}")
            yield work if not micro else _without_reading(work)
        for clip, part, dataset in sorted(self._labelled(trained)):
            source = getattr(self.config.datasets[dataset], part)
            fields = labelled_fields(self.config, self.plan, clip, part, dataset)
            what = f"{part} images of {dataset} by {clip}"
            work = self._encode(what, 1, clip, self._rows(dataset, part), True, fields)
            work = replace(work, at=f"features_labelled/{clip}/{part}/{dataset}")
            yield work if source.photographs else _without_reading(work)

    def _labelled(self, trained: list[Run]) -> set[tuple[str, str, str]]:
        """(CLIP, part, data set) of the labelled images that are encoded."""
        image_sets = set()
        for run in trained:
            data = self.config.datasets[run.dataset]
            needed = {"test": data.test, "train": _reads(run, "train"), "validation": data.validation}
            image_sets |= {(run.clip, part, run.dataset) for part, wanted in needed.items() if wanted}
        return image_sets

    def _runs(self) -> Iterator[Work]:
        protocols = {(run.dataset, run.protocol) for run in self.plan.runs.values() if run.protocol and not run.sources}
        for dataset, protocol in sorted(protocols):
            what, at = f"sample {protocol} of {dataset}", f"protocol/{dataset}/{protocol}"
            yield Work(STAGES[3], what, 1, {}, {"start": 1}, 1e5, at=at)
        for run in self.plan.runs.values():
            if not run.sources:
                yield self._training(run)
        for run in self.plan.runs.values():
            if self.config.datasets[run.dataset].test:
                yield self._evaluation(run)

    def _predictions(self) -> Iterator[Work]:
        for dataset in queries.photo_datasets(self.config):
            photos = self._note(photos_of(self.config, dataset))
            for run in queries.base_runs(self.plan, dataset):
                what = f"predict photos of {dataset} by {run.method}"
                work = replace(self._encode(what, 1, run.clip, photos, True), stage=STAGES[4], size=photos * 1e4)
                made, at = f"recogniser of {run.method} on {dataset}", f"{dataset}/{run.method}"
                yield Work(STAGES[4], made, 1, {}, {"start": 1}, 1e6, at=f"recogniser/{at}")
                yield replace(work, at=f"predict/{at}")

    def _training(self, run: Run) -> Work:
        settings, classes = run.settings, len(load_classes(self.config.datasets[run.dataset].classes).names)
        epochs, batch = settings.get("epochs", settings.get("op_epochs", 0)), settings.get("batch", 64)
        rows = self._training_rows(run, classes)
        steps = sum(epochs * math.ceil(number / batch) for number in rows) * len(run.seeds)
        items: dict[str, float] = {}
        micro = is_micro(self.config.clip[run.clip].model)
        if "n_ctx" in settings:
            sides = 1 if run.method == "coop" else 2
            kind = "own_prompt" if settings.get("class_specific") else "prompt"
            items[f"micro_{kind}" if micro else kind] = steps * sides * classes
        elif run.kinds and micro:
            items[f"micro_row_{run.method if run.method in MICRO_ROWS else 'linear'}"] = steps * batch
        elif run.kinds:
            vision = vision_of(self.config.clip[run.clip].model, self.config.clip[run.clip].image_size)
            scale = classes / 80 * (vision.cells / 196 if run.method in ("ssgrl", "sarb") else 1)
            items[f"row_{run.method if run.method in ROWS else 'linear'}"] = steps * batch * scale
        size, at = len(run.seeds) * len(run.levels) * 2e5, f"train/{run.path}"
        return Work(STAGES[3], f"{run.method} on {run.dataset}", 1, items, {"start": 1}, size, gpu=True, at=at)

    def _training_rows(self, run: Run, classes: int) -> list[int]:
        """Rows of an epoch at each level."""
        if _reads(run, "labelled"):
            return [self._kept(run.pool, run.dataset) + run.settings.get("templates", 89) * classes] * len(run.levels)
        if SHOTS in run.kinds and run.protocol != "novel":
            return [level * classes for level in run.levels]
        return [self._rows(run.dataset, "train")] * len(run.levels) if run.kinds else []

    def _evaluation(self, run: Run) -> Work:
        data = self.config.datasets[run.dataset]
        classes = len(load_classes(data.classes).names)
        rows = self._rows(run.dataset, "test") + (self._rows(run.dataset, "validation") if data.validation else 0)
        scores = rows * len(run.seeds) * len(run.levels)
        what = f"{run.method} on {run.dataset}"
        items = {"start": 1, "score": scores * classes / 20}
        at = f"{'combine' if run.sources else 'evaluate'}/{run.path}"
        return Work(STAGES[4], what, 1, {}, items, scores * (classes * 4 + 2), at=at)


def _reads(run: Run, name: str) -> bool:
    """Whether the training of a run has the input `name`."""
    return name in inputs_of(run.kinds, run.settings)


def _without_reading(work: Work) -> Work:
    """Images of 64 pixels are read in no time."""
    return Work(**{**vars(work), "on_cpu": {"start": 1}})
