"""The header of a recogniser: what it must hold, checked before anything else of the file is used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

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
Error = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
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


class ScoreRule(_Part):
    """What is done to each seed's scores before their mean, see `t2ipal.metrics.score_rules`."""

    kind: Literal["own", "mean", "softmax"] = Field(description="'own' (nothing), 'mean' or 'softmax'")
    k: list[Annotated[float, Field(gt=0)]] | None = Field(description="the rule's scale for each seed, or null")
    classes: list[ClassName] = Field(description="the class names that the rule compares")


class Errors(_Part):
    """Calibration errors in percent, see `t2ipal.metrics.calibration.Errors`."""

    pooled: Error
    class_wise: Error
    equal_mass: Error
    brier: Error


class FittedOn(_Part):
    """The labelled images of a calibration."""

    source: Literal["validation", "generated"]
    images: int = Field(ge=1, description="their number")
    groups: int = Field(ge=1, description="the number of those that are independent: images, or captions with images")
    positives: list[Annotated[int, Field(ge=0)]] = Field(description="positive images of each class")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")


class Calibration(_Part):
    """p = sigmoid(a z + b) of a score z, by class."""

    kind: Literal["platt"]
    a: list[Annotated[float, Field(ge=0, le=1e100)]] = Field(description="a slope >= 0 for each class")
    b: list[Annotated[float, Field(ge=-1e150, le=1e150)]] = Field(description="an offset for each class")
    threshold: Share = Field(description="a probability: labels of classes without a threshold of their own")
    fitted_on: FittedOn
    ece: Errors
    floor: Errors


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
    thresholds: list[float | None] | None = Field(None, description="a score or null for each class, or null")
    prior: list[Share] | None = Field(None, description="a share for each class, or null")
    calibration: Calibration | None = Field(None, description="a fit for each class, or null")
    score_rule: ScoreRule | None = Field(None, description="a rule, or null: scores are the mean over the seeds")
    scores: Literal["mean over the seeds"]
    t2ipal: Text = Field(description="the version that made it")
    tensors: dict[str, str] | None = Field(None, description="the type and the sizes of each tensor")

    @field_validator("classes")
    @classmethod
    def _are_different(cls, classes: list[str]) -> list[str]:
        if same := names.twins(classes):
            raise ValueError(f"{same[0]!r} and {same[1]!r} are one class")
        return classes

    @field_validator("score_rule")
    @classmethod
    def _is_by_seed(cls, rule: ScoreRule | None, about: ValidationInfo) -> ScoreRule | None:
        count = len(about.data.get("seeds", rule.k or () if rule else ()))
        if rule and ((rule.kind == "softmax") != (rule.k is not None) or (rule.k and len(rule.k) != count)):
            raise ValueError(
                f"k of {rule.kind!r} is {rule.k}; expected one for each of {count} seeds, for softmax alone"
            )
        if rule and rule.kind != "own" and rule.classes != about.data.get("classes", rule.classes):
            raise ValueError(f"classes of {rule.kind!r} are not those of the recogniser")
        return rule

    @field_validator("thresholds", "prior")
    @classmethod
    def _is_by_class(cls, values: list[Any] | None, about: ValidationInfo) -> list[Any] | None:
        return values if values is None else _by_class(values, about)

    @field_validator("calibration")
    @classmethod
    def _fits_by_class(cls, fit: Calibration | None, about: ValidationInfo) -> Calibration | None:
        for values in (fit.a, fit.b, fit.fitted_on.positives) if fit else ():
            _by_class(values, about)
        return fit


def _by_class(values: list[Any], about: ValidationInfo) -> list[Any]:
    count = len(about.data.get("classes", values))
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} classes")
    return values
