"""What a caption reader yields."""

from __future__ import annotations

from dataclasses import dataclass

EMPTY = "empty caption"
NO_TEXT = "caption is no text"
NOT_DRAWN = "another caption of its image was drawn"
NOT_IN_IDS = "not in the list of ids"
ID_NOT_FOUND = "in the list of ids, but in no split"
NOT_LISTED = "its image is not in the list of images"
NOT_ON_DISK = "its image is not on disk"
TWICE = "caption id occurs more than once"


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption to learn from.

    Attributes:
        caption_id: unique in its pool; text order is the order of reading where ids are made by us.
        image_id: the image it was written for, if known.
        text: without line breaks and outer spaces.
        source: where it is from, e.g. "micro", "coco/val2014" or a file name.
    """

    caption_id: str
    image_id: str | None
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A caption left out, and why."""

    caption_id: str
    text: str
    reason: str


def checked(caption_id: str, image_id: str | None, text: object, source: str) -> Caption | Reject:
    """A caption, or the reject of what is none."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return Reject(caption_id, "", EMPTY)
    if not isinstance(text, str):
        return Reject(caption_id, str(text), NO_TEXT)
    return Caption(caption_id, image_id, " ".join(text.split()), source)
