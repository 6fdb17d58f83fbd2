"""The header of a recogniser: what it must hold, checked before anything else of the file is used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from t2ipal import names
from t2ipal.backbones import DEFAULT, KINDS
from t2ipal.errors import printable
from t2ipal.validation import Seed

SCORES = "mean over the seeds"
"""What a score of a recogniser is."""


def _without_controls(text: str) -> str:
    if printable(text) != text:
        raise ValueError("a control character or line end in it")
    return text


def _to_be_shown(name: str) -> str:
    if problem := names.problem_of(name):
        raise ValueError(problem)
    return name


Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_without_controls)]
ClassName = Annotated[str, Field(min_length=1, max_length=names.LONGEST), AfterValidator(_to_be_shown)]


class _Part(BaseModel):
    """More keys are allowed: those of a run."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)


class Clip(_Part):
    """The CLIP that a recogniser learned with."""

    name: Text = Field(description="as the config names the model")
    kind: str = Field(DEFAULT, description=f"one of: {', '.join(KINDS)}")
    path: Text | None = Field(description="its file or folder; null: known by its name alone")
    relative: Text | None = Field(description="the same, seen from the recogniser's folder")
    image_size: int = Field(ge=1, le=2048, description="pixels of what it sees, at most 2048")
    crop: Literal["center", "squash"]
    batch: int = Field(ge=1, le=1_000_000, description="photos encoded together")

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError("unknown")
        return kind


class Header(_Part):
    """The header of a recogniser's file."""

    method: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        max_length=200,
        description="the name of a method, or package.module.Class",
    )
    settings: dict[str, Any] = Field(description="the method's settings")
    classes: list[ClassName] = Field(min_length=1, max_length=100_000, description="class names")
    seeds: list[Seed] = Field(min_length=1, max_length=10_000, description="training seeds")
    levels: list[Literal[0]] = Field(min_length=1, max_length=1, description="[0]")
    clip: Clip
    clip_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")
    threshold: float | None = Field(description="a finite number or null")
    scores: Literal["mean over the seeds"]
    t2ipal: Text = Field(description="the version that made it")
    tensors: dict[str, str] | None = Field(None, description="the type and the sizes of each tensor")

    @field_validator("classes")
    @classmethod
    def _are_different(cls, classes: list[str]) -> list[str]:
        if same := names.twins(classes):
            raise ValueError(f"{same[0]!r} and {same[1]!r} are one class")
        return classes
