"""Captions with the noun filter's labels, and class templates with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from t2ipal.errors import UserError
from t2ipal.rows.base import CAPTIONS, SYNTHETIC, Branch, RowKind, RowRequest, RowSource

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import TextFeatures
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows.data import TrainingData, TrainingFiles
    from t2ipal.rows.randomness import EpochRandom


@dataclass(frozen=True)
class CaptionRows(RowKind):
    """Captions in the order of their ids, and the class templates.

    Attributes:
        features: of the captions, and perhaps of more.
        index: [N] the row of each caption in `features`.
        labels: [N, C] int8, 1 positive, 0 absent, -1 unknown.
        templates: features of the class templates; None without any.
        template_labels: [T, C] one-hot.
    """

    name: ClassVar[str] = CAPTIONS
    loss: ClassVar[str] = "loss_text"
    title: ClassVar[str] = "Captions and templates"

    features: TextFeatures
    index: Tensor
    labels: Tensor
    templates: TextFeatures | None = None
    template_labels: Tensor | None = None

    @classmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("labelled", "captions", "templates") if settings.get("templates", True) else ("labelled", "captions")

    @classmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: MemoryBudget) -> TrainingData:
        from t2ipal.features.cache import load_text_features

        ids, labels = read_labelled(files, classes)
        rows = cls.of(ids, labels, load_text_features(files["captions"], budget))
        if files["templates"]:
            rows = rows.with_templates(load_text_features(files["templates"]), classes)
        return data.with_rows(rows)

    @classmethod
    def of(cls, ids: Sequence[str], labels: Tensor, features: TextFeatures) -> CaptionRows:
        """The captions `ids` with their labels [len(ids), C], whatever their order.

        Raises:
            UserError: an id twice, or a caption without features.
        """
        from t2ipal.rows.join import join_rows

        ids, labels = by_id(ids, labels)
        return cls(features, join_rows(ids, features.ids, "caption features"), labels)

    def with_templates(self, templates: TextFeatures, classes: int) -> CaptionRows:
        """The same with templates, whose ids are "{class index}-{template index}"."""
        import torch

        labels = torch.zeros(len(templates.ids), classes, dtype=torch.int8)
        labels[torch.arange(len(labels)), torch.tensor([int(key.split("-")[0]) for key in templates.ids])] = 1
        return replace(self, templates=templates, template_labels=labels)

    def only(self, kept: Tensor) -> CaptionRows:
        """The captions at `kept` [N] bool."""
        return replace(self, index=self.index[kept], labels=self.labels[kept])

    @property
    def ids(self) -> list[str]:
        """[N], ascending."""
        return [self.features.ids[row] for row in self.index.tolist()]

    @property
    def pooled(self) -> Tensor:
        """[N, D] global features."""
        return self.features.pooled[self.index]

    def source(self, data: TrainingData, request: RowRequest, seeds: Sequence[int]) -> RowSource:
        """Captions come first, as often as an epoch has images of theirs; then the templates."""
        import torch

        captions = torch.arange(len(self.labels))
        if request.image_sampling == "all" and SYNTHETIC in request.kinds:
            captions = data[SYNTHETIC].each_image()[:, 0]
        ids = self.templates.ids if self.templates is not None else ()
        templates = torch.tensor(
            [row for row, key in enumerate(ids) if int(key.split("-")[1]) < request.templates], dtype=torch.int64
        )
        size = len(captions) + len(templates)
        return RowSource([size] * len(seeds), partial(self._branch, captions, templates), size)

    def _branch(self, captions: Tensor, templates: Tensor, rows: Tensor, random: EpochRandom) -> Branch:
        import torch

        is_caption = rows < len(captions)
        caption = captions[rows[is_caption]]
        parts = [(is_caption, self.features, self.index[caption], self.labels[caption])]
        if not is_caption.all():
            template = templates[rows[~is_caption] - len(captions)]
            parts.append((~is_caption, self.templates, template, self.template_labels[template]))
        pooled, local, mask = gather_texts(rows.shape, [part[:3] for part in parts])
        labels = torch.empty(*rows.shape, self.labels.shape[-1], dtype=torch.int8)
        for here, _, _, values in parts:
            labels[here] = values
        return Branch(pooled, local, mask, labels, torch.ones(rows.shape))


def read_labelled(files: TrainingFiles, classes: int, held_out: bool = False) -> tuple[list[str], Tensor]:
    """Ids, ascending, and labels [N, C] of the captions to train on, or of those that are held out of it.

    Raises:
        UserError: the file is missing or damaged, fewer than two texts are held out for a calibration, or all are.
    """
    from t2ipal.rows.join import label_matrix
    from t2ipal.store import read_parquet

    columns = ["caption_id", "positive", "unknown"]
    table = read_parquet(files["labelled"][0], [*columns, "text"] if files.held_out else columns)
    if files.held_out:
        texts = table["text"].to_pylist()
        chosen = [files.held_out.has(text) for text in texts]
        count = len({" ".join(text.lower().split()) for text, is_held in zip(texts, chosen, strict=True) if is_held})
        if count < 2 or all(chosen):
            raise UserError(
                f"{files['labelled'][0]}: {count} of {len(texts)} captions are held out for the calibration; expected "
                "at least 2, and others to learn from (another calibrate_share, or more captions)"
            )
        table = table.filter([is_held is held_out for is_held in chosen])
    labels = label_matrix(table["positive"].to_pylist(), table["unknown"].to_pylist(), classes)
    return by_id(table["caption_id"].to_pylist(), labels)


def by_id(ids: Sequence[str], labels: Tensor) -> tuple[list[str], Tensor]:
    """Both in ascending order of the ids."""
    order = sorted(range(len(ids)), key=lambda row: ids[row])
    return [ids[row] for row in order], labels[order]


def gather_texts(
    shape: tuple[int, ...], parts: Sequence[tuple[Tensor, TextFeatures, Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of texts from several sources.

    Args:
        shape: (S, R) of the result.
        parts: for each source: where its texts go ([S, R] bool), its features, and the rows of them that go there.

    Returns:
        Global [S, R, D], local [S, R, L, D] and mask [S, R, L], L being the longest of the texts.
    """
    import torch

    gathered = [(here, texts.pooled[rows], *texts.positions(rows)) for here, texts, rows in parts if len(rows)]
    dim, length = gathered[0][1].shape[-1], 1 + max(int(place.max()) for _, _, _, place, _ in gathered)
    pooled = torch.empty(*shape, dim)
    local, mask = torch.zeros(*shape, length, dim), torch.zeros(*shape, length, dtype=torch.bool)
    flat_local, flat_mask = local.view(-1, dim), mask.view(-1)
    for here, its_pooled, text, place, its_local in gathered:
        pooled[here] = its_pooled.float()
        target = here.flatten().nonzero()[text, 0] * length + place
        flat_local[target], flat_mask[target] = its_local.float(), True
    return pooled, local, mask
