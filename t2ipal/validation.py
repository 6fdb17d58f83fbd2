"""Shared by all settings models: a strict base, types with a description, and one-line error messages.

No heavy import here: `snakemake -n` pays for it.
"""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from t2ipal.errors import UserError
from t2ipal.user_paths import from_home

LONGEST_NAME = 80
"""Characters of a name: paths have two of them in the name of a file, for which file systems allow 255."""
MOST = 1_000_000_000
"""The greatest number of anything."""
Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=LONGEST_NAME,
        description="letters, digits, '_', '-' and '.'",
    ),
]
Count = Annotated[int, Field(ge=1, le=MOST)]
Pixels = Annotated[int, Field(ge=8, le=4096, multiple_of=8)]
Percent = Annotated[int, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]

_RELATIVE = "relative to data_dir"
DataPath = Annotated[str, AfterValidator(from_home), _RELATIVE]
"""A file or folder of the user's data; a path that is not absolute starts from the config's data_dir."""

Model = TypeVar("Model", bound=BaseModel)


class Part(BaseModel):
    """A block of the config: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


PartT = TypeVar("PartT", bound=Part)


def data_paths(part: Part) -> dict[str, str]:
    """The values of a block's `DataPath` fields that are set, by key."""
    fields = [key for key, field in type(part).model_fields.items() if _is_data_path(field)]
    return {key: value for key in fields if (value := getattr(part, key))}


def located(part: PartT, data_dir: str) -> PartT:
    """A block with its paths usable from here: relative ones get `data_dir` before them."""
    return part.model_copy(update={key: os.path.join(data_dir, path) for key, path in data_paths(part).items()})


def _is_data_path(field: FieldInfo) -> bool:
    inner = [arg for option in get_args(field.annotation) for arg in get_args(option)]
    return _RELATIVE in [*field.metadata, *inner]


def validated(model: type[Model], data: Mapping[str, Any], prefix: str, where: object = "config") -> Model:
    """Validate `data` by `model`; in messages, `where` is the file, and `prefix` the key path before its keys.

    Raises:
        UserError: one line for the first error.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{where}{_explain(error, model, prefix).removeprefix('config')}") from None


RENAMED = {"redraws": "retries", "image_draw": "image_sampling"}
"""Keys and settings of earlier versions, and their names today."""


def unknown(key: str, name: str, known: Iterable[str], what: str) -> UserError:
    """The error for a name that is not among the `known` ones: its new name, or else the nearest, ignoring case."""
    known = sorted(known)
    if RENAMED.get(name) in known:
        return UserError(f"config: {key}.{name}: renamed, use {RENAMED[name]}")
    by_letters = {known_name.lower(): known_name for known_name in known}
    near = difflib.get_close_matches(name.lower(), by_letters, 1)
    hint = f"did you mean {by_letters[near[0]]!r}?" if near else f"expected one of: {', '.join(known)}"
    return UserError(f"config: {key}: unknown {what} {name!r} ({hint})")


_BOUNDS = {"less_than": ("<", "lt"), "less_than_equal": ("<=", "le"), "greater_than": (">", "gt")}
_BOUNDS["greater_than_equal"] = (">=", "ge")
_TYPES = {"int": "a whole number", "float": "a number", "string": "text", "bool": "true or false", "list": "a list"}
_TYPES |= {"dict": "a mapping", "model": "a mapping", "model_attributes": "a mapping"}


def _explain(error: ValidationError, model: type[BaseModel], prefix: str) -> str:
    first = min(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    kind, shown, context = first["type"], _short(repr(first["input"])), first.get("ctx", {})
    is_name = first["loc"][-1:] == ("[key]",)
    path, owner, field = _locate(model, first["loc"][:-1] if is_name else first["loc"])
    key = ".".join(map(_short, [prefix, *path] if prefix else path))
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    expected = f" (expected {field.description})" if field is not None and field.description else ""
    if is_name:
        return (
            f"config: {key}: {shown} is not a name (expected letters, digits, '_', '-' and '.', no '.' in front, "
            f"at most {LONGEST_NAME})"
        )
    if kind == "extra_forbidden":
        return str(unknown(key.rpartition(".")[0] or "top level", path[-1], owner.model_fields, "key"))
    if kind == "missing":
        return f"config: {key}: missing{expected}"
    if kind == "union_tag_not_found":
        return f"config: {key}.source: missing (expected one of: {_tags(field)})"
    if kind == "union_tag_invalid":
        return f"config: {key}.source: unknown source {context['tag']!r} (expected one of: {context['expected_tags']})"
    if kind in _BOUNDS:
        sign, name = _BOUNDS[kind]
        return f"config: {key}: {shown} is not {sign} {context[name]:g}{expected}"
    if kind == "literal_error":
        return f"config: {key}: {shown} is not {context['expected']}"
    if kind == "value_error":
        return f"config: {key}: {shown}: {context['error']}{expected}"
    if stem in _TYPES:
        return f"config: {key}: {shown} is not {_TYPES[stem]}{expected}"
    return f"config: {key}: {shown}: {first['msg'][0].lower()}{first['msg'][1:]}{expected}"


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _locate(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str], type[BaseModel], FieldInfo | None]:
    """Follow a pydantic location through the models: (key path without union tags, last model, its field)."""
    path: list[str] = []
    owner, field, annotation = model, None, model
    for part in loc:
        options = _options(annotation)
        tagged = [option for option in options if _is_model(option) and _tag(option) == part]
        if len(options) > 1 and tagged:
            annotation = tagged[0]
            continue
        if len(options) > 1 and isinstance(part, str) and not any(map(_is_model, options)):
            annotation = Any  # pydantic's name of one of several types
            continue
        annotation = options[0] if options else Any
        if _is_model(annotation):
            owner, field = annotation, annotation.model_fields.get(str(part))
            annotation = field.annotation if field else Any
        elif get_origin(annotation) in (dict, list):
            annotation = get_args(annotation)[-1]
        elif annotation is Any and path and not _is_key(part):
            continue
        path.append(str(part))
    return path, owner, field


def _options(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without None."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [option for arg in get_args(annotation) if arg is not type(None) for option in _options(arg)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_key(part: str | int) -> bool:
    return isinstance(part, int) or part.isidentifier()


def _tag(model: type[BaseModel]) -> str | None:
    source = model.model_fields.get("source")
    return get_args(source.annotation)[0] if source else None


def _tags(field: FieldInfo | None) -> str:
    options = _options(field.annotation) if field else []
    if len(options) == 1 and get_origin(options[0]) is dict:
        options = _options(get_args(options[0])[1])
    return ", ".join(repr(_tag(option)) for option in options if _is_model(option))
