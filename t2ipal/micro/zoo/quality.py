"""How good generated images are: what an independent judge and the micro CLIP recognise in them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from t2ipal import store
from t2ipal.backbones.openai.training import trained_state
from t2ipal.images.checks import to_uint8
from t2ipal.images.pipeline import load_pipeline
from t2ipal.images.settings import GenerationSettings
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.micro.zoo.clip import LENGTH, micro_clip, pixels
from t2ipal.micro.zoo.judge import judge_scores
from t2ipal.micro.zoo.tokens import Vocabulary
from t2ipal.micro.zoo.world import World
from t2ipal.seeds import seed_of

log = logging.getLogger(__name__)
# As in the default config.
DEFAULT = GenerationSettings(
    model="text-to-image", steps=[999, 874, 749, 583, 416, 208], guidance=1.0, solver="unipc", batch=64
)

IMAGES_PER_CAPTION = 4
"""Images per caption for diversity: with one, the least of 20 classes with 50 captions each varies by 0.06."""


def of_pipeline(folder: Path, clip: Path, judge: nn.Module, work: Path, captions: int = 1000) -> dict[str, float]:
    """Judge and zero-shot mAP on images generated from validation captions, and on real renders of the same.

    Labels are the classes that the captions name. Diversity is that of all 2,000 captions: a class alone is rare.
    """
    world = World(work, "validation", 2000)
    labels, texts, real = (
        world.named_classes[:captions, 0],
        [captions[0] for captions in world.texts],
        np.asarray(world.images),
    )
    alone = np.flatnonzero(world.named_classes[:, 0].sum(1) == 1)
    generated = generate(folder, texts[:captions])
    more = generate(folder, [texts[row] for row in alone] * IMAGES_PER_CAPTION, "diversity")
    classes, features = _features(clip, np.concatenate([generated, real, more]))
    generated_features, real_features, more_features = np.split(features, [captions, captions + len(real)])
    figures = {
        "judge_mAP_generated": mean_average_precision(judge_scores(judge, generated), labels),
        "judge_mAP_real": mean_average_precision(judge_scores(judge, real[:captions]), labels),
        "zero_shot_mAP_generated": mean_average_precision(generated_features @ classes.T, labels),
        "zero_shot_mAP_real": mean_average_precision(real_features[:captions] @ classes.T, labels),
        "chance_mAP": 100 * float(labels.mean(0).mean()),
    }
    figures["judge_ratio"] = figures["judge_mAP_generated"] / figures["judge_mAP_real"]
    figures["zero_shot_ratio"] = figures["zero_shot_mAP_generated"] / figures["zero_shot_mAP_real"]
    return figures | diversity(more_features, real_features[alone], world.named_classes[alone, 0].argmax(1))


def diversity(generated: np.ndarray, real: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Variance of a class's features, images whose caption names nothing else: generated over real, mean and least.

    Args:
        generated: unit features [K N, D] of generated images: K of each caption, one after the other.
        real: unit features [N, D] of real renders of the same captions.
        classes: [N], what the captions name.
    """
    generated = generated.reshape(-1, *real.shape).swapaxes(0, 1)
    of_class = [classes == c for c in np.unique(classes) if (classes == c).sum() > 2]
    ratios = [generated[rows].var((0, 1)).sum() / real[rows].var(0).sum() for rows in of_class]
    return {"variance_ratio": float(np.mean(ratios)), "variance_ratio_least": float(np.min(ratios))}


def generate(
    folder: Path, texts: list[str], what: str = "quality", settings: GenerationSettings = DEFAULT
) -> np.ndarray:
    """uint8 images [N, 64, 64, 3] of a pipeline directory, one per text, seeded by its index and its use."""
    generator = load_pipeline(settings.model_copy(update={"model": str(folder)}))
    seeds = [seed_of(what, index) for index in range(len(texts))]
    spans = [slice(start, start + settings.batch) for start in range(0, len(texts), settings.batch)]
    parts = [generator.generate(texts[span], seeds[span])[0] for span in spans]
    return to_uint8(torch.cat(parts)).cpu().numpy()


def _features(clip: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit features of "a photo of a {class}." [20, D] and of images [N, D]."""
    from t2ipal.micro.scenes import CLASSES

    vocabulary = Vocabulary.of_grammar()
    model = micro_clip(len(vocabulary.ids)).eval()
    model.load_state_dict(trained_state(store.read_tensors(clip)[0], LENGTH))
    prompts = torch.from_numpy(vocabulary.compact([f"a photo of a {name}." for name in CLASSES], LENGTH))
    with torch.inference_mode():
        classes = F.normalize(model.encode_text(prompts), dim=-1)
        parts = np.array_split(np.arange(len(images)), max(1, len(images) // 100))
        features = torch.cat([model.encode_image(pixels(images[rows], torch.device("cpu"))) for rows in parts])
        return classes.numpy(), F.normalize(features, dim=-1).numpy()
