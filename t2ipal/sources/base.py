"""What a source of captions or of labelled images is, and what it is asked.

A source is a block of the config, a pydantic model with a `source: Literal["its name"]`, with its behaviour. Rules
pass it on as plain data, which Snakemake compares by value: `Source.spec` writes it, `source_of` reads it. Importing a
source costs nothing: what reads files imports its libraries where it needs them.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from t2ipal.errors import UserError, printable
from t2ipal.findings import Finding
from t2ipal.validation import Part, data_paths, validated

if TYPE_CHECKING:
    from t2ipal.classes import ClassList
    from t2ipal.sources.caption_rows import Caption, RejectedCaption
    from t2ipal.sources.image_rows import ImageRow, RejectedImage

COCO_KEPT = {"coco": 0.843, "voc2007": 0.555}
"""Share of COCO's captions that name a class, counted on val2017's by TaI-DPT's lists; of other lists all, at most."""


class RequiredFile(NamedTuple):
    """A file or folder that a source needs.

    Attributes:
        key: the key of the config that led to it, such as "root".
        path: where it is, or where it should be.
        download: its row of resources/data_sources.csv; "" for files of the user's own.
    """

    key: str
    path: Path
    download: str = ""


@dataclass(frozen=True)
class Counted:
    """A number of items, and how it is known: "" where it was counted."""

    items: int
    how: str = ""


class Source(Part):
    """Captions or images from somewhere. Paths of the config are relative: `t2ipal.validation.located` joins them."""

    not_deciding: ClassVar[frozenset[str]] = frozenset()
    """Fields that change nothing that is read."""

    def files(self) -> list[RequiredFile]:
        """The files that list what is read, there or not; by default every path of the block.

        Where several layouts are known and none fits, the official one, so that the message that follows names it.
        """
        return [RequiredFile(key, Path(path)) for key, path in data_paths(self).items()]

    def folders(self) -> list[Path]:
        """Folders of photographs or of annotations that are read besides `files`, there or not."""
        return []

    def reads(self) -> list[Path]:
        """All files and folders that are read, there or not: their state (`t2ipal.listings`) decides a rerun."""
        return [*(file.path for file in self.files()), *self.folders()]

    def check(self, key: str) -> Iterator[Finding]:
        """Findings before a run: are its files there? `key` is the key of the config that holds the source."""
        return check_files(key, self.files())

    @abstractmethod
    def count(self) -> Counted:
        """How many items it has, counted or published, for the plan of costs, which runs without any data."""

    def spec(self) -> dict[str, Any]:
        """All that decides what is read, as plain data that `source_of` understands."""
        kind = type(self)
        return {"class": f"{kind.__module__}.{kind.__qualname__}", **self.model_dump(exclude=set(kind.not_deciding))}


class CaptionSource(Source):
    """A caption pool."""

    not_deciding: ClassVar[frozenset[str]] = frozenset({"shards"})
    shards: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="generation jobs per sample, a whole number from 1 to 10,000"
    )
    drop_words: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of words dropped, 0 to below 1")

    @abstractmethod
    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption in the order of the source, whole: taken or rejected.

        Args:
            seed: the global seed of random choices.

        Raises:
            UserError: a file is missing or malformed.
        """

    def read(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """As `rows`, with each word left out at the chance `drop_words`."""
        if not self.drop_words:
            return self.rows(seed)
        from t2ipal.sources.reading.drop_words import drop_words

        return drop_words(self.rows(seed), self.drop_words, seed)

    def kept_share(self, class_list: str) -> tuple[float, str]:
        """Share of the captions that name a class of a list, and how it is known; "" where all are taken to."""
        share = COCO_KEPT.get(class_list, 1.0)
        return share, f"{share:.1%} of them name a class of {class_list}" if share < 1 else ""


class ImageSource(Source):
    """Images with labels."""

    photographs: ClassVar[bool] = True
    """Whether its images are files that are read where they are, not scenes rendered into the image set."""

    @abstractmethod
    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield the images with their labels, one at a time, sorted by image_id.

        Args:
            classes: the classes to label, in the order of the labels.
            role: "train", "test" or "validation": which random stream a world that is rendered takes.
            seed: the global seed, for such a world alone.

        Raises:
            UserError: a missing or damaged file of annotations, or a class that the source lacks.
        """

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield (image_id, file) of every image that is listed, on disk or not; none where nothing is listed.

        Raises:
            UserError: the list is missing or damaged.
        """
        return iter(())

    def official_order(self) -> Iterator[str]:
        """Yield the ids of the whole official list in its order, also if only a part is read; none if they ascend.

        Raises:
            UserError: the list is missing or damaged.
        """
        return iter(())

    def positives(self, classes: ClassList) -> tuple[int, ...] | None:
        """Images of each class by their labels, for checks before a run; None where counting them takes long.

        Raises:
            UserError: the labels are missing or malformed.
        """
        return None

    def all_positives(self, classes: ClassList) -> tuple[int, ...] | None:
        """As `positives`, however long it takes: for a check that is asked for; None for images without labels.

        Raises:
            UserError: the labels are missing or malformed.
        """
        return self.positives(classes)

    def allowed_missing(self, listed: int) -> int:
        """How many of the listed images may be missing on disk; by default all but one."""
        return listed - 1

    def pictures(self) -> RequiredFile | None:
        """The folder of images, if it is a download of its own."""
        return None

    def needs_class_list(self, names: Sequence[str]) -> bool:
        """Whether synonyms of a class list with these names may matter: not where each is a category's own name."""
        return True

    def check(self, key: str) -> Iterator[Finding]:
        """Findings before a run: are its lists there, and how many of the images that they list?"""
        files, pictures = self.files(), self.pictures()
        yield from check_files(key, files)
        if all(os.path.exists(file.path) for file in files):
            download = (pictures or files[0]).download if files else ""
            try:
                paths = [path for _, path in self.listed()]
            except UserError as error:
                yield Finding(key, str(error), missing=True, download=download)
                return
            if paths:
                yield self._check_listed(key, paths, download)
        elif pictures and not os.path.isdir(pictures.path):
            text = f"{pictures.path}: no such folder of images"
            yield Finding(f"{key}.{pictures.key}", text, missing=True, download=pictures.download)

    def _check_listed(self, key: str, paths: Sequence[Path], download: str) -> Finding:
        gone = [path for path in paths if not os.path.isfile(path)]  # of any length
        first = f"; the first that is not: {gone[0]}" if gone else ""
        text = f"{len(paths) - len(gone):,} of {len(paths):,} listed images are there{first}"
        return Finding(key, printable(text), len(gone) > self.allowed_missing(len(paths)), download)


def source_of(spec: Mapping[str, Any]) -> Any:
    """The source that `Source.spec` wrote down.

    Raises:
        UserError: a setting that the source does not have.
    """
    module, _, name = spec["class"].rpartition(".")
    settings = {key: value for key, value in spec.items() if key != "class"}
    return validated(getattr(import_module(module), name), settings, "source")


def check_files(key: str, files: Sequence[RequiredFile]) -> Iterator[Finding]:
    """One finding for all files of one download: 81 files of labels are one thing to fetch."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        groups.setdefault((file.key, file.download), []).append(file.path)
    for (field, download), paths in groups.items():
        gone = [path for path in paths if not os.path.exists(path)]
        if not gone:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            yield Finding(f"{key}.{field}", f"{paths[0]}{more}: there", download=download)
        else:
            more = f" ({len(gone)} of {len(paths)} files)" if len(paths) > 1 else ""
            yield Finding(f"{key}.{field}", f"{gone[0]}: no such file or folder{more}", True, download)


def published(sizes: Mapping[str, int], split: str) -> Counted:
    """The published number of images of a split."""
    items = sizes.get(split, 0)
    return Counted(items, f"the published size of {split}" + ("" if items else " is not known here"))
