"""Labelled images in a data set that the package `datasets` reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.sources.base import Counted, ImageSource
from t2ipal.sources.huggingface.labels import NoLabels, label_reader
from t2ipal.sources.huggingface.rows import HubBlock, HubRows, check_block, count_rows, ids_of
from t2ipal.sources.image_rows import POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading.image_files import checked_images

if TYPE_CHECKING:
    from t2ipal.classes import ClassList


class HubImages(HubBlock, ImageSource):
    """A data set with a column of images, and labels."""

    source: Literal["huggingface"] = Field(description="a data set that the package datasets reads")
    image_column: str | None = Field(None, description="column of images; null: image")
    id_column: str | None = Field(None, description="column of unique ids; null: the row's number")
    labels: str | None = Field(
        None, description="column of labels, one or a list; null: labels or label, else one column per class"
    )
    unknown: str | None = Field(None, description="column of labels that are neither there nor absent, one or a list")

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield every row, its images as bytes where the data set contains them.

        Without an id column, rows are numbered; with one, they are sorted by it, for which `streaming` has to be false
        unless they are sorted.

        Raises:
            UserError: no such column, a class without a category, labels of another type.
        """
        data = HubRows(self)
        image = data.column(self.image_column, ("image",), "images")
        key = data.column(self.id_column, (), "ids") if self.id_column else None
        reader = label_reader(data, classes, self.labels, self.unknown, {image, key})
        ids = ids_of(data, key) if key else None
        order = None
        if ids is not None and data.sortable:
            order = sorted(range(len(ids)), key=ids.__getitem__)
        elif ids is not None and ids != sorted(ids):
            raise UserError(
                f"{data.where}: rows are not sorted by {key!r}; expected streaming: false, which sorts them"
            )
        numbers = order or range(len(ids)) if ids is not None else None

        def listed() -> Iterator[tuple[str, object, tuple[int, ...] | None]]:
            rows = data.read([image, *reader.columns], order)
            for place, row in enumerate(rows):
                identity = ids[numbers[place]] if ids is not None else f"{place:08d}"
                try:
                    content = data.picture(row[image]) or RejectedImage(identity, "", "no image")
                except ValueError as error:
                    content = RejectedImage(identity, "", str(error))
                try:
                    labels = reader.of(row)
                except NoLabels as error:
                    yield identity, RejectedImage(identity, "", str(error)), None
                    continue
                except UserError as error:
                    raise UserError(f"{data.where}: row {identity}: {error}") from error
                yield identity, content, labels

        return checked_images(listed())

    def check(self, key: str) -> Iterator[Finding]:
        return check_block(key, self)

    def count(self) -> Counted:
        return count_rows(self)

    def all_positives(self, classes: ClassList) -> tuple[int, ...] | None:
        """As of any source; the columns of labels are read, images are not."""
        data = HubRows(self)
        reader = label_reader(data, classes, self.labels, self.unknown, {self.image_column or "image", self.id_column})
        counts = [0] * len(classes.names)
        for row in data.read(reader.columns):
            try:
                labels = reader.of(row)
            except NoLabels:
                continue
            counts = [count + (label == POSITIVE) for count, label in zip(counts, labels, strict=True)]
        return tuple(counts)
