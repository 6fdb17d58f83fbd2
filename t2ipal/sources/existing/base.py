"""What a source of existing images of captions is, and how its images are tied to captions."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from t2ipal.errors import UserError, printable
from t2ipal.findings import Finding
from t2ipal.sources.base import CaptionSource, Source
from t2ipal.sources.caption_rows import Caption
from t2ipal.validation import Pixels

Opener = Callable[[], "bytes | Path"]
"""Called for the bytes of an image file, or for its path."""

ID_COLUMNS, SAMPLE_COLUMNS = ("caption_id", "id"), ("sample",)
NO_CAPTION, TOO_MANY = "no caption of the pool has it", "beyond `samples`"
AGAIN = "its caption has it already"


class Listed(NamedTuple):
    """An image that a source has.

    Attributes:
        name: what a person would call it.
        caption: id or text of its caption.
        sample: which of the caption's images, from 0; None: the next one.
        opened: opens it.
    """

    name: str
    caption: str
    sample: int | None
    opened: Opener


@dataclass
class Tied:
    """Images by (caption_id, sample), and the names of those that are not used, by reason."""

    images: dict[tuple[str, int], Opener] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def notes(self) -> Iterator[str]:
        """A line for each reason for which images are not used."""
        for reason, names in self.unused.items():
            images = "1 image is" if len(names) == 1 else f"{len(names):,} images are"
            yield printable(f"{images} not used: {reason}; the first: {names[0]}")


class ExistingImages(Source):
    """Images of captions that exist already."""

    samples: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="images per caption that are used, a whole number from 1 to 1000 (the paper: 6)"
    )
    store_size: Pixels | None = Field(
        None, description="pixels of the shorter side that images are stored at, a multiple of 8; null: as they are"
    )
    id_column: str | None = Field(None, description="column of caption ids; null: caption_id or id")
    text_column: str | None = Field(None, description="column of captions that tie images instead of ids; null: ids do")
    sample_column: str | None = Field(
        None, description="column of 0, 1, ...: which of a caption's images; null: sample, or the order"
    )

    @abstractmethod
    def tie(self, captions: Mapping[str, str]) -> Tied:
        """All images of `captions` (id to text), and those that are not used.

        Raises:
            UserError: a file is missing or malformed, an image has no certain caption, or two are the same one's.
        """

    def deciding(self) -> dict[str, Any]:
        """All that decides an image: not how many of a caption's are used."""
        return self.model_dump(exclude={"samples"})

    def check_pool(self, key: str, pool: str, source: CaptionSource, seed: int) -> Finding:
        """Finding before a run: of how many captions of a pool are the images there? Missing if of none.

        Args:
            key: the key of the config that holds this source.
            pool: the name of the pool, whose `source` is read whole.
            seed: the global seed.
        """
        try:
            captions = {row.caption_id: row.text for row in source.read(seed) if isinstance(row, Caption)}
            tied = self.tie(captions)
        except UserError as error:
            return Finding(key, str(error), missing=True)
        wanted = ((caption, sample) for caption in captions for sample in range(self.samples))
        gone = [pair for pair in wanted if pair not in tied.images]
        text = (
            f"{len(tied.images):,} of the {len(captions) * self.samples:,} images that pool {pool!r} may need are there"
        )
        if gone:
            text += f"; the first that is not: image {gone[0][1]} of caption {gone[0][0]!r}"
        return Finding(key, printable("; ".join([text, *tied.notes()])), missing=not tied.images)


def tie(listed: Iterable[Listed], captions: Mapping[str, str], samples: int, by_text: bool) -> Tied:
    """Tie images to captions.

    An image without a sample number is the next of its caption, once. By text, an image is of every caption of that
    text.

    Raises:
        UserError: two images are the same caption's same sample.
    """
    tied, named = Tied(), {}
    ids_of: dict[str, list[str]] = defaultdict(list)
    for identity, text in captions.items():
        ids_of[" ".join(text.split()) if by_text else identity].append(identity)
    counted: dict[str, int] = defaultdict(int)
    unnumbered: set[tuple[str, str]] = set()
    for image in listed:
        caption = " ".join(image.caption.split()) if by_text else image.caption
        if image.sample is None:
            if (caption, image.name) in unnumbered:
                tied.unused[AGAIN].append(image.name)
                continue
            unnumbered.add((caption, image.name))
        sample = counted[caption] if image.sample is None else image.sample
        counted[caption] += 1
        if caption not in ids_of:
            tied.unused[NO_CAPTION].append(image.name)
        elif sample >= samples:
            tied.unused[TOO_MANY].append(image.name)
        else:
            first = named.setdefault((caption, sample), image.name)
            if first != image.name:
                raise UserError(
                    printable(f"{first} and {image.name}: both are image {sample} of caption {caption!r}; expected one")
                )
            tied.images |= {(identity, sample): image.opened for identity in ids_of[caption]}
    return tied


def sample_of(value: object, where: str) -> int | None:
    """The number of an image of its caption, from a cell; None for an empty one.

    Raises:
        UserError: it is no such number; `where` names file and row.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise UserError(printable(f"{where}: sample is {value!r}; expected 0, 1, 2 ..."))
