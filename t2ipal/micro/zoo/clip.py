"""The micro CLIPs: OpenAI's own `clip.model.CLIP` in two sizes, trained contrastively on the pre-training draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.metrics.evaluate import mean_average_precision, modality_gap
from t2ipal.micro.grammar import ALT_TEXTS
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.tokens import Vocabulary
from t2ipal.micro.zoo.world import LENGTH, World

if TYPE_CHECKING:
    from clip.model import CLIP

IMAGE_SIZE = 96  # a 3 x 3 local map
CONTEXT = 77
MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's own pixel statistics
STD = (0.26862954, 0.26130258, 0.27577711)
# At 100, where OpenAI's models end, a pair of this world would have to shrink into cones of cosine 0.9: a caption tells
# it from 255 others, theirs from 32,767. At 50 the cosines are those of CLIP ViT-B/16 on COCO.
SCALE = 50.0
CONE = 1.0


@dataclass(frozen=True)
class Architecture:
    """Sizes of a CLIP with a ResNet of four blocks.

    Attributes:
        embed: dimension D of the joint space.
        width: channels of the ResNet's first block; the last has 32 times as many.
        text_width: dimension of the text transformer, a multiple of 64.
        text_layers: blocks of the text transformer.
    """

    embed: int
    width: int
    text_width: int
    text_layers: int


ARCHITECTURES = {
    "clip": Architecture(embed=128, width=16, text_width=128, text_layers=3),
    # to "clip" as RN50 is to RN101: what a weaker backbone changes
    "clip-small": Architecture(embed=64, width=8, text_width=128, text_layers=2),
}


def micro_clip(vocabulary: int, context: int = LENGTH, architecture: str = "clip") -> CLIP:
    """A CLIP of the sizes that `clip.model.build_model` derives from its state dict."""
    from clip.model import CLIP

    of = ARCHITECTURES[architecture]
    text = (of.text_width, of.text_width // 64, of.text_layers)
    return CLIP(of.embed, IMAGE_SIZE, (1, 1, 1, 1), of.width, None, context, vocabulary, *text)


@torch.no_grad()
def open_cones(model: CLIP, images: Tensor, tokens: Tensor, width: float) -> None:
    """Shift the outputs of each tower along a random direction of its own, by `width` times their spread.

    Deep towers start like that by themselves, each in a narrow cone, and the contrastive loss at a high scale keeps the
    cones apart: the modality gap (Liang et al. 2022). Shallow ones start around the origin.

    Args:
        images: [B, 3, H, W] pixels to measure the spread on.
        tokens: [B, L].
    """
    model.train()
    image, text = model.encode_image(images), model.encode_text(tokens)
    spread = [(value - value.mean(0)).norm(dim=1).mean() for value in (image, text)]
    direction = F.normalize(torch.randn(image.shape[1]), dim=0)
    model.visual.attnpool.c_proj.bias += width * spread[0] * direction - image.mean(0)
    bias = torch.randn(model.ln_final.bias.shape)
    model.ln_final.bias += width * spread[1] / (bias @ model.text_projection).norm() * bias


def pixels(images: np.ndarray, device: torch.device, size: int = IMAGE_SIZE) -> Tensor:
    """uint8 [B, H, W, 3] -> CLIP's normalised input, float32 [B, 3, size, size]."""
    x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)
    return ((x - mean[:, None, None]) / std[:, None, None]).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class ClipStage(Stage):
    """Symmetric InfoNCE over the batch of a process (Radford et al. 2021, section 2.3).

    `name` is that of the architecture.
    """

    work: Path
    size: int
    recipe: Recipe
    name: str = "clip"

    def build(self) -> nn.Module:
        model = micro_clip(len(Vocabulary.of_grammar().ids), architecture=self.name)
        world = World(self.work, "pretrain", self.size)
        tokens = torch.from_numpy(world.tokens[:64, 0].astype(np.int64))
        open_cones(model, pixels(world.images[:64], torch.device("cpu")), tokens, CONE)
        model.logit_scale.requires_grad_(False).fill_(np.log(SCALE))
        return model

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world = World(self.work, "pretrain", self.size)
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        tokens = world.tokens[rows, rng.integers(ALT_TEXTS, size=batch)].astype(np.int64)
        tokens = tokens[:, : (tokens > 0).sum(1).max()]  # attention is causal: padding changes nothing
        with torch.autocast(device.type, torch.bfloat16):
            image = model.encode_image(pixels(world.images[rows], device))
            text = model.encode_text(torch.from_numpy(tokens).to(device))
        image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        logits = model.logit_scale.exp() * image @ text.T
        target = torch.arange(batch, device=device)
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        hit = (logits.argmax(1) == target).float().mean()
        return {"loss": loss, "match": hit, "gap": (image.mean(0) - text.mean(0)).norm()}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Zero-shot mAP and modality gap on the validation draw, with the template 'a photo of a {}.'."""
        from t2ipal.micro.scenes import CLASSES

        world = World(self.work, "validation", 2000)
        prompts = Vocabulary.of_grammar().compact([f"a photo of a {name}." for name in CLASSES], LENGTH)
        with torch.inference_mode():
            classes = F.normalize(model.encode_text(torch.from_numpy(prompts).to(device)).float(), dim=-1)
            batches = np.array_split(np.arange(world.size), 10)
            image = torch.cat([model.encode_image(pixels(world.images[rows], device)).float() for rows in batches])
            tokens = torch.from_numpy(world.tokens[:, 0].astype(np.int64)).to(device)
            text = torch.cat([model.encode_text(tokens[torch.from_numpy(rows)]).float() for rows in batches])
        image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
        return {
            "zero_shot_mAP": mean_average_precision(image @ classes.T, world.labels),
            "modality_gap": modality_gap(image, text),
            "logit_scale": float(model.logit_scale.detach().exp()),
        }


def export(model: nn.Module, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """State dict in OpenAI's names with the token table kept compact, in half precision.

    The positions beyond pre-training's longest caption repeat the last trained one.
    """
    state = model.state_dict()
    rows = state.pop("token_embedding.weight")
    position = state["positional_embedding"]
    state["positional_embedding"] = torch.cat([position, position[-1:].expand(CONTEXT - len(position), -1)])
    state = {key: value.half() if value.ndim > 1 else value for key, value in state.items()}
    ids = torch.tensor(vocabulary.ids, dtype=torch.int32)
    return {**state, "token_embedding.rows": rows.half(), "token_embedding.ids": ids}
