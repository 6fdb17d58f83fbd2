"""Loading any diffusers text-to-image pipeline, and generating one batch with it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.device import pick_device, pick_dtype
from t2ipal.errors import UserError
from t2ipal.images.manifest import verify
from t2ipal.images.settings import SOLVERS, GenerationSettings

if TYPE_CHECKING:
    import torch

DECODE_BATCH = 16
"""Latents decoded together: decoding needs far more memory per image than denoising, and gains nothing from more."""


@dataclass(frozen=True)
class ImageGenerator:
    """A loaded pipeline with its settings: `generate` makes one batch of images."""

    pipe: Any
    settings: GenerationSettings
    device: torch.device
    dtype: torch.dtype
    padded: bool = False
    """Whether each batch is filled up to one size, for compiled models: another shape would be compiled anew."""

    @property
    def split(self) -> bool:
        """Whether prompts, denoising and decoding run as separate steps here: plain Stable Diffusion's parts are known.

        Any other pipeline is called whole.
        """
        return type(self.pipe).__name__ == "StableDiffusionPipeline"

    @cached_property
    def unconditional(self) -> torch.Tensor | None:
        """Embedding [1, tokens, width] of the negative prompt, encoded once; None without guidance."""
        return self._encode([self.settings.negative]) if self.settings.guidance > 1 else None

    def cut(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the model reads, and are cut there; 0 if the pipeline has no tokenizer."""
        tokenizer = getattr(self.pipe, "tokenizer", None)
        if tokenizer is None or not texts:
            return 0
        ids = tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(len(row) > tokenizer.model_max_length for row in ids)

    def generate(self, texts: Sequence[str], seeds: Sequence[int]) -> tuple[torch.Tensor, list[bool]]:
        """Generate one batch, image i from texts[i] and its own CPU generator seeded with seeds[i].

        Args:
            texts: at most `settings.batch` prompts.
            seeds: one per text.

        Returns:
            Pixels [N, H, W, 3] float32 on the device, nominally in [0, 1], not clipped; and for each image whether the
            safety checker flagged it.

        Raises:
            UserError: the batch does not fit into the device's memory.
        """
        import torch

        count, batch = len(texts), self.settings.batch
        if not 0 < count == len(seeds) <= batch:
            raise ValueError(f"{count} texts and {len(seeds)} seeds for a batch of {batch}")
        if self.padded:
            texts = [*texts, *[texts[-1]] * (batch - count)]
            seeds = [*seeds, *[seeds[-1]] * (batch - count)]
        # Noise comes from the CPU in float32 whatever the device: the same image on every device, up to rounding.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        run = self._generate_split if self.split else self._generate_whole
        try:
            with torch.inference_mode():
                pixels, unsafe = run(texts, generators)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"text_to_image.batch: {batch} images need more than {self.device}'s memory; halve it"
            ) from error
        return pixels[:count], unsafe[:count]

    def _encode(self, texts: list[str]) -> torch.Tensor:
        import torch

        with torch.inference_mode():
            return self.pipe.encode_prompt(texts, self.device, 1, False)[0]

    def _options(self, generators: list[torch.Generator]) -> dict[str, Any]:
        steps = self.settings.steps
        return {
            "timesteps" if isinstance(steps, list) else "num_inference_steps": steps,
            "guidance_scale": self.settings.guidance,
            "generator": generators,
            "width": self.settings.width,
            "height": self.settings.height,
        }

    def _generate_split(self, texts: list[str], generators: list[torch.Generator]) -> tuple[torch.Tensor, list[bool]]:
        import torch

        negative = self.unconditional
        latents = self.pipe(
            prompt_embeds=self._encode(texts),
            negative_prompt_embeds=None if negative is None else negative.expand(len(texts), -1, -1),
            output_type="latent",
            **self._options(generators),
        ).images
        vae = self.pipe.vae
        latents = (latents / vae.config.scaling_factor).to(self.dtype)
        decoded = torch.cat([vae.decode(part, return_dict=False)[0] for part in latents.split(DECODE_BATCH)]).float()
        unsafe = None
        if getattr(self.pipe, "safety_checker", None) is not None:
            # It blanks what it flags, so it gets a copy.
            unsafe = self.pipe.run_safety_checker(decoded.clone(), self.device, self.pipe.safety_checker.dtype)[1]
        pixels = (decoded / 2 + 0.5).permute(0, 2, 3, 1)
        return pixels, [bool(verdict) for verdict in unsafe or [False] * len(texts)]

    def _generate_whole(self, texts: list[str], generators: list[torch.Generator]) -> tuple[torch.Tensor, list[bool]]:
        import torch

        options = {"prompt": texts, "output_type": "np", **self._options(generators)}
        accepted = inspect.signature(self.pipe.__call__).parameters
        if "negative_prompt" in accepted and self.settings.guidance > 1:
            options["negative_prompt"] = [self.settings.negative] * len(texts)
        output = self.pipe(**{key: value for key, value in options.items() if key in accepted})
        unsafe = getattr(output, "nsfw_content_detected", None)
        return torch.from_numpy(output.images), [bool(verdict) for verdict in unsafe or [False] * len(texts)]


def load_pipeline(settings: GenerationSettings, device: str = "auto") -> ImageGenerator:
    """Load the pipeline of these settings: safetensors only, checked against its manifest, if it has one.

    A folder is read as it is. A hub name is looked for in the local cache first, so a cached model needs no network,
    then downloaded unless HF_HUB_OFFLINE is set.

    The denoiser and the decoder run in `settings.dtype`; in Stable Diffusion pipelines latents and solver stay in
    float32, so that rounding does not pile up over the steps.

    Raises:
        UserError: no such model, a damaged one, one that is no text-to-image pipeline, an unknown solver, or time steps
            that this model or solver does not take.
    """
    import diffusers
    import torch
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    target = pick_device(device)
    dtype = pick_dtype(settings.dtype, target)
    pipe = _read(settings, dtype)
    if "prompt" not in inspect.signature(pipe.__call__).parameters:
        raise UserError(f"text_to_image.model: {settings.model} is a {type(pipe).__name__}, not text to image")
    pipe.scheduler = _solver(pipe, settings.solver)
    _check_time_steps(pipe, settings)
    pipe.to(target)
    pipe.set_progress_bar_config(disable=True)
    compiled = compiles(settings.compile, target)
    generator = ImageGenerator(pipe, settings, target, dtype, padded=compiled)
    by_hand = generator.split and target.type == "cpu" and dtype == torch.float32 and not compiled
    # Measured: channels_last speeds up GPUs; on CPUs it slows diffusers' group norm by more than it speeds up
    # convolutions (bfloat16: 360 against 520 passes/s), so there it needs layers of our own.
    layout = torch.channels_last if target.type == "cuda" or by_hand else torch.contiguous_format
    if getattr(pipe, "unet", None) is not None:
        run_in(pipe.unet, dtype, layout)
    if generator.split:
        pipe.vae.to(dtype=dtype, memory_format=layout)
    if by_hand:
        from t2ipal.images.cpu_layers import replace_layers

        for part in (pipe.unet, pipe.vae.decoder):
            replace_layers(part)
    if compiled:
        for part in (getattr(pipe, "unet", None), pipe.vae.decoder if generator.split else None):
            if part is not None:
                # one shape, of padded batches
                part.compile(dynamic=False)
    return generator


def compiles(name: str, device: torch.device) -> bool:
    """Whether to compile: "auto" does on a GPU, where a shard of thousands of images pays for the minutes it takes."""
    return name == "on" or (name == "auto" and device.type == "cuda")


def run_in(module: torch.nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> None:
    """Make a denoiser compute in `dtype` while its callers hand over and receive float32."""
    import torch

    module.to(dtype=dtype, memory_format=layout)
    if dtype == torch.float32:
        return

    def cast(value: Any) -> Any:
        # Time steps have at most one dimension and stay exact: 981.5 is no bfloat16.
        wide = isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1
        return value.to(dtype) if wide else value

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(map(cast, args)), {key: cast(value) for key, value in kwargs.items()}

    def after(_: Any, args: Any, output: Any) -> Any:
        return tuple(part.float() for part in output) if isinstance(output, tuple) else output

    module.register_forward_pre_hook(before, with_kwargs=True)
    module.register_forward_hook(after)


def _read(settings: GenerationSettings, dtype: torch.dtype) -> Any:
    """Read a pipeline from its folder or from the hub."""
    model = settings.model
    if Path(model).is_dir():
        if not (Path(model) / "model_index.json").is_file():
            raise UserError(f"{model}: no model_index.json, so no diffusers pipeline (save one with save_pretrained)")
        verify(model)
        return _from_pretrained(settings, dtype, local=True)
    if model.count("/") != 1 or model.startswith((".", "/", "~", "resources/")):
        raise UserError(
            f"text_to_image.model: no folder {model}: put a diffusers pipeline there (model_index.json and its parts"
            " as safetensors), or give a model's name on the Hugging Face hub"
        )
    try:
        return _from_pretrained(settings, dtype, local=True)
    except UserError:
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise
    return _from_pretrained(settings, dtype, local=False)


def _from_pretrained(settings: GenerationSettings, dtype: torch.dtype, local: bool) -> Any:
    import torch
    from diffusers import DiffusionPipeline

    model = settings.model
    options: dict[str, Any] = {"local_files_only": local, "revision": settings.revision}
    try:
        index = DiffusionPipeline.load_config(model, **options)
        # With a U-Net only the denoiser and decoder leave float32 (below); a transformer's text encoders are too large.
        options |= {"dtype": torch.float32 if "unet" in index else dtype, "variant": settings.variant}
        if settings.safety == "off" and "safety_checker" in index:
            options |= {"safety_checker": None, "requires_safety_checker": False}
        pipe = DiffusionPipeline.from_pretrained(model, use_safetensors=True, **options)
    except Exception as error:  # diffusers, transformers, the hub and safetensors each raise their own kinds
        cause = str(error).strip().splitlines() or [type(error).__name__]
        if Path(model).is_dir():
            raise UserError(f"{model}: no readable diffusers pipeline of safetensors: {cause[0][:200]}") from error
        raise UserError(
            f"text_to_image.model: {model} is neither a folder nor {'cached' if local else 'to be had'} from the"
            f" Hugging Face hub ({cause[0][:160]}): download it where there is a network, and give its folder here"
        ) from error
    if settings.safety == "on" and getattr(pipe, "safety_checker", None) is None:
        raise UserError(f"text_to_image.safety: 'on', but {model} brings no safety checker; expected 'off'")
    return pipe


def _solver(pipe: Any, name: str) -> Any:
    """The scheduler `name` with the pipeline's own noise schedule and prediction type."""
    import diffusers

    from t2ipal.images.unipc import PlacedUniPC

    own = type(pipe.scheduler)
    kind = own if name == "default" else getattr(diffusers, SOLVERS.get(name, name), None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)):
        raise UserError(
            f"text_to_image.solver: {name!r}; expected default, {', '.join(SOLVERS)} or a scheduler class of diffusers"
        )
    if kind is diffusers.UniPCMultistepScheduler:
        kind = PlacedUniPC
    return pipe.scheduler if kind is own else kind.from_config(pipe.scheduler.config)


def _check_time_steps(pipe: Any, settings: GenerationSettings) -> None:
    """Whether time steps of the settings, if they list any, can be those of this pipeline and its solver."""
    if not isinstance(settings.steps, list):
        return
    for part, call in ((pipe, pipe.__call__), (pipe.scheduler, pipe.scheduler.set_timesteps)):
        if "timesteps" not in inspect.signature(call).parameters:
            raise UserError(
                f"text_to_image.steps: {type(part).__name__} of {settings.model} takes no list of time steps;"
                " expected their number"
            )
    last = pipe.scheduler.config.num_train_timesteps - 1
    if settings.steps[0] > last:
        raise UserError(f"text_to_image.steps: {settings.steps[0]} is above {last}, the first of {settings.model}")
    try:
        pipe.scheduler.set_timesteps(timesteps=settings.steps)
    except ValueError as error:
        raise UserError(f"text_to_image.steps: {type(pipe.scheduler).__name__}: {error}") from error
