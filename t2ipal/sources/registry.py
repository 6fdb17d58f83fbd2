"""Every source by one line. No script imports this file: a new source reruns nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Annotated, Any, Union, get_args

from pydantic import Discriminator, Field, Tag

from t2ipal.sources.base import CaptionSource, ImageSource, Source
from t2ipal.validation import Part, unknown, validated

CAPTION_SOURCES = (
    "t2ipal.sources.micro.captions.MicroCaptions",
    "t2ipal.sources.coco.captions.CocoCaptions",
    "t2ipal.sources.openimages.OpenImagesCaptions",
    "t2ipal.sources.text.TextCaptions",
    "t2ipal.sources.huggingface.captions.HubCaptions",
    "t2ipal.sources.webdataset.WebDatasetCaptions",
    "t2ipal.composed.names.NamesCaptions",
    "t2ipal.composed.llm.LlmCaptions",
)
IMAGE_SOURCES = (
    "t2ipal.sources.micro.images.MicroImages",
    "t2ipal.sources.coco.images.CocoImages",
    "t2ipal.sources.voc.VocImages",
    "t2ipal.sources.nuswide.NusWideImages",
    "t2ipal.sources.folder.FolderImages",
    "t2ipal.sources.huggingface.images.HubImages",
    "t2ipal.sources.webdataset.WebDatasetImages",
)

EXISTING_IMAGES = (
    "t2ipal.sources.existing.folder.ExistingFolder",
    "t2ipal.sources.existing.hub.ExistingHubImages",
)


def union_of(paths: Iterable[str], default: type[Part] | None = None) -> Any:
    """The type of a block of the config that is any of the sources, distinguished by its `source`.

    `default`: what a block without a `source` is, which has a default for it.
    """
    if default is None:
        return Annotated[Union[tuple(_classes(paths).values())], Field(discriminator="source")]  # noqa: UP007
    kinds = {default.model_fields["source"].default: default, **_classes(paths)}
    tagged = tuple(Annotated[kind, Tag(name)] for name, kind in kinds.items())
    return Annotated[Union[tagged], Discriminator(lambda block: _source_name(block, next(iter(kinds))))]  # noqa: UP007


def _source_name(block: Any, default: str) -> str:
    return str(block.get("source", default) if isinstance(block, dict) else getattr(block, "source", default))


def caption_source(settings: Mapping[str, Any]) -> CaptionSource:
    """The source of captions of a block of the config.

    Raises:
        UserError: no such source, or a setting that it does not have.
    """
    return _source(CAPTION_SOURCES, settings)


def image_source(settings: Mapping[str, Any]) -> ImageSource:
    """The source of images of a block of the config.

    Raises:
        UserError: as `caption_source`.
    """
    return _source(IMAGE_SOURCES, settings)


def _source(paths: Iterable[str], settings: Mapping[str, Any]) -> Any:
    classes = _classes(paths)
    name = settings.get("source")
    if name not in classes:
        raise unknown("source", str(name), classes, "source")
    return validated(classes[name], settings, "source")


def _classes(paths: Iterable[str]) -> dict[str, type[Source]]:
    """The classes by the name that `source` gives them."""
    kinds = [getattr(import_module(module), name) for module, _, name in (path.rpartition(".") for path in paths)]
    return {get_args(kind.model_fields["source"].annotation)[0]: kind for kind in kinds}
