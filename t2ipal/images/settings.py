"""Generation settings: an entry of the config's `text_to_image`, without the number of samples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from t2ipal.listings import files_of
from t2ipal.user_paths import ModelPath
from t2ipal.validation import Count, Part, Pixels

Encoding = Literal["png", "webp", "jpeg"]
COMPILE = ("off", "on", "auto")
"""Values of `compile`; a job gets the index, because Snakemake's resources on a cluster are numbers."""

SOLVERS = {
    "ddim": "DDIMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "ddpm": "DDPMScheduler",
}
"""Short names of solvers. Any other scheduler class of diffusers may be given by its full name."""

COUNTING = ("ddim", "euler_a", "pndm")
"""Those that take the number of their steps alone, and place them themselves."""

MOST_STEPS = 1000
"""Time steps that diffusion models are trained with."""

NOT_DECIDING = ("batch", "compile")
"""Settings that change no image beyond rounding: they cause no re-run."""


class GenerationSettings(Part):
    """How images are generated. Equal settings, captions and seeds give equal images."""

    model: ModelPath = Field(description="a diffusers pipeline: a folder, or a name on the Hugging Face hub")
    revision: str | None = Field(None, description="commit or branch of a hub model; null: its default branch")
    variant: str | None = Field(None, description="file variant of a hub model, such as fp16; null: the plain files")
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] | list[int] = Field(
        50,
        description="solver steps, a whole number from 1 to 1000, or a list of the time steps themselves, each below"
        " the one before (the paper: not stated)",
    )
    guidance: float = Field(
        7.5, ge=0, le=100, description="guidance scale, 0 to 100; up to 1: none (the paper: not stated)"
    )
    solver: str = Field("default", description="'default' (the pipeline's own), ddim, dpm++, unipc, euler, ...")
    negative: str = Field("", description="negative prompt, used with guidance")
    width: Pixels | None = Field(None, description="pixels, a multiple of 8; null: the model's own size")
    height: Pixels | None = Field(None, description="pixels, a multiple of 8; null: the model's own size")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on CPUs with AMX and on GPUs, else float32"
    )
    batch: Count = Field(64, description="images generated together, a whole number >= 1")
    safety: Literal["off", "on"] = Field("off", description="'on': the model's safety checker flags images")
    retries: Annotated[int, Field(ge=0)] = Field(2, description="further seeds tried for a black, NaN or flagged image")
    encoding: Encoding = Field("png", description="file format of the stored images")
    quality: Annotated[int, Field(ge=1, le=100)] = Field(92, description="quality of webp and jpeg, 1 to 100")
    store_size: Pixels | None = Field(
        None, description="pixels of the shorter side that images are stored at, a multiple of 8; null: as generated"
    )
    compile: Literal["auto", "on", "off"] = Field("auto", description="auto: compiled on GPUs")

    @field_validator("steps")
    @classmethod
    def _falling(cls, value: int | list[int]) -> int | list[int]:
        if isinstance(value, list):
            falling = value and value == sorted(set(value), reverse=True)
            if not (falling and value[0] < MOST_STEPS and value[-1] >= 0):
                raise ValueError(f"time steps do not fall from {MOST_STEPS - 1} or less to 0 or more")
        return value

    @field_validator("solver")
    @classmethod
    def _known_solver(cls, value: str, info: ValidationInfo) -> str:
        if value not in ("default", *SOLVERS) and not _is_scheduler(value):
            raise ValueError(f"no such solver; known are default, {', '.join(SOLVERS)}, and diffusers' own by name")
        if isinstance(info.data.get("steps"), list) and value in COUNTING:
            able = ", ".join(name for name in SOLVERS if name not in COUNTING)
            raise ValueError(f"this solver needs steps as a number; a list of time steps needs one of {able}")
        return value

    @field_validator("compile", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """YAML 1.1 reads a bare on or off as true or false."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @property
    def step_count(self) -> int:
        """The number of solver steps."""
        return len(self.steps) if isinstance(self.steps, list) else self.steps

    def deciding(self) -> dict[str, Any]:
        """All that decides an image."""
        return {name: getattr(self, name) for name in GenerationSettings.model_fields if name not in NOT_DECIDING}


def _is_scheduler(name: str) -> bool:
    """Whether diffusers has a scheduler class of this name. Its file is searched: importing it takes seconds."""
    spec = importlib.util.find_spec("diffusers")
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    texts = (Path(folder, "schedulers/__init__.py").read_text(encoding="utf-8") for folder in folders)
    return name.isidentifier() and any(f'"{name}"' in text for text in texts)


def model_files(model: str) -> tuple[Path, ...]:
    """The files whose content stands for a model, there or not; none for a name on the hub.

    They are its manifest, or without one all its files.
    """
    path = Path(model)
    for manifest in (path / "manifest.json", path.parent / "manifest.json"):
        if manifest.exists():
            return (manifest,)
    if path.is_dir():
        return tuple(dict.fromkeys((path / "model_index.json", *files_of(path))))
    return (path,) if path.exists() or path.suffix in (".safetensors", ".pt") or model.count("/") > 1 else ()
