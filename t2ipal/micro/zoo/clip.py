"""The micro CLIPs: OpenAI's own `clip.model.CLIP` in two sizes, trained contrastively on the pre-training world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.backbones.openai.encoder import OpenAIEncoder
from t2ipal.backbones.openai.tokens import CONTEXT, lengths_of
from t2ipal.backbones.openai.training import compact_state, fix_scale, open_cones
from t2ipal.backbones.openai.variants import Sizes, build_sizes
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.metrics.modality_gap import modality_gap
from t2ipal.micro.grammar import ALT_TEXTS
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.tokens import Vocabulary
from t2ipal.micro.zoo.world import LENGTH, World

IMAGE_SIZE = 96  # a 3 x 3 local map
# At 100, where OpenAI's models end, a pair of this world would have to shrink into cones of cosine 0.9: a caption gives
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


def micro_clip(vocabulary: int, context: int = LENGTH, architecture: str = "clip") -> nn.Module:
    """OpenAI's module of these sizes, freshly initialised."""
    of = ARCHITECTURES[architecture]
    vision = {"resolution": IMAGE_SIZE, "layers": (1, 1, 1, 1), "width": of.width, "patch": 0, "heads": of.width // 2}
    text = {"text_width": of.text_width, "text_heads": of.text_width // 64, "text_layers": of.text_layers}
    return build_sizes(Sizes(of.embed, **vision, **text, context=context, vocabulary=vocabulary))


def pixels(images: np.ndarray, device: torch.device, size: int = IMAGE_SIZE) -> Tensor:
    """uint8 [B, H, W, 3] -> CLIP's normalised input, float32 [B, 3, size, size]."""
    x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
    if x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(values, device=device) for values in (OpenAIEncoder.mean, OpenAIEncoder.std))
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
        fix_scale(model, SCALE)
        return model

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world = World(self.work, "pretrain", self.size)
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        tokens = torch.from_numpy(world.tokens[rows, rng.integers(ALT_TEXTS, size=batch)].astype(np.int64))
        tokens = tokens[:, : int(lengths_of(tokens).max())]  # attention is causal: padding changes nothing
        with torch.autocast(device.type, torch.bfloat16):
            image = model.encode_image(pixels(world.images[rows], device))
            text = model.encode_text(tokens.to(device))
        image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        logits = model.logit_scale.exp() * image @ text.T
        target = torch.arange(batch, device=device)
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        hit = (logits.argmax(1) == target).float().mean()
        return {"loss": loss, "match": hit, "gap": (image.mean(0) - text.mean(0)).norm()}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Zero-shot mAP and modality gap on the validation world, with the template 'a photo of a {}.'."""
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
    return compact_state(model.state_dict(), vocabulary.ids, CONTEXT)
