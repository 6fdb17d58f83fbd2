"""How much headroom a micro world leaves between captions and images: `python -m t2ipal.micro.zoo.room`.

Validation scenes alone are measured, by methods that see no generated image: zero-shot CLIP, TaI-DPT, and the oracle,
which learns T2I-PAL's parameters from real renders with true labels. The world is chosen by these figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from t2ipal.backbones import load_backbone
from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.captions.nouns import NounFilter
from t2ipal.captions.templates import templates
from t2ipal.classes import load_classes
from t2ipal.config import load_config
from t2ipal.features.cache import ImageFeatures, TextFeatures
from t2ipal.features.extract import encode_images, encode_ragged
from t2ipal.methods import get
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.metrics.evaluate import average_precision
from t2ipal.metrics.modality_gap import modality_gap
from t2ipal.micro.grammar import captions_of
from t2ipal.micro.scenes import render, scene_of
from t2ipal.micro.zoo.clip import IMAGE_SIZE, pixels
from t2ipal.plan.runs import settings_of
from t2ipal.rows.captions import CaptionRows
from t2ipal.rows.data import TrainingData
from t2ipal.rows.join import label_matrix
from t2ipal.rows.train import TrainRows
from t2ipal.training.train import fit

CLASSES = load_classes("voc2007")


def images(backbone: ImageTextEncoder, stream: str, size: int) -> tuple[ImageFeatures, Tensor]:
    """Features and true labels [size, 20] int8 of the first scenes of a stream."""
    labels, parts = torch.zeros(size, len(CLASSES.names), dtype=torch.int8), []
    for start in range(0, size, 100):
        scenes = [scene_of(stream, index) for index in range(start, min(start + 100, size))]
        for row, scene in enumerate(scenes, start):
            labels[row, list(scene.labels)] = 1
        x = pixels(np.stack([render(scene) for scene in scenes]), torch.device("cpu"))
        parts.append([value.half() for value in encode_images(backbone, x)])
    grid = backbone.grid(IMAGE_SIZE)
    pos, nopos, local = (torch.cat(part) for part in zip(*parts, strict=True))
    return ImageFeatures(tuple(f"{i:07d}" for i in range(size)), pos, nopos, local, grid, backbone.sha256), labels


def texts(backbone: ImageTextEncoder, sentences: Sequence[str], ids: Sequence[str] = ()) -> TextFeatures:
    """Features of texts; `ids` are their places where none are given."""
    pooled, local, tokens = encode_ragged(backbone, sentences, 256)
    offsets = torch.tensor(np.cumsum([0] + [len(row) for row in tokens]))
    ids = tuple(ids) or tuple(f"{i:07d}" for i in range(len(sentences)))
    return TextFeatures(
        ids, pooled.half().clone(), torch.cat(local).half().clone(), torch.cat(tokens).int(), offsets, backbone.sha256
    )


def training_data(backbone: ImageTextEncoder, captions: int, scenes: int, patterns: int = 89) -> TrainingData:
    """Captions with the noun filter's labels, so many templates of each class, and real renders with true labels."""
    sentences = [captions_of("captions", index, n=1)[0].text for index in range(captions)]
    labelled = list(NounFilter(CLASSES).label(sentences))
    labels = label_matrix([row.positive for row in labelled], [row.unknown for row in labelled], len(CLASSES.names))
    kept = (labels == 1).any(1)
    rows = [row for row in templates(CLASSES.names) if int(row.template_id.split("-")[1]) < patterns]
    rendered, true_labels = images(backbone, "train", scenes)
    captions = CaptionRows(texts(backbone, sentences), kept.nonzero()[:, 0], labels[kept])
    encoded = texts(backbone, [row.text for row in rows], [row.template_id for row in rows])
    return TrainingData().with_rows(
        captions.with_templates(encoded, len(CLASSES.names)), TrainRows(rendered, true_labels)
    )


def main(arguments: list[str] | None = None) -> int:
    """Print zero-shot mAP, gap and, for each set of changed settings, TaI-DPT, the oracle and their difference."""
    parser = argparse.ArgumentParser(prog="python -m t2ipal.micro.zoo.room", description=__doc__)
    parser.add_argument("settings", nargs="*", default=["{}"], help='changes of `training` as JSON: {"lr": 1e-2} ...')
    parser.add_argument("--clip", type=Path, default=Path("resources/zoo/clip.safetensors"), help="(%(default)s)")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="settings start here (%(default)s)")
    parser.add_argument("--captions", type=int, default=1000, help="(%(default)s)")
    parser.add_argument("--scenes", type=int, default=1000, help="training scenes of the oracle (%(default)s)")
    parser.add_argument("--validation", type=int, default=2000, help="validation scenes (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="(%(default)s)")
    parser.add_argument("--methods", nargs="+", default=["tai_dpt", "oracle"], help="(tai_dpt oracle)")
    options = parser.parse_args(arguments)
    config, backbone = load_config(yaml.safe_load(options.config.read_text())), load_backbone(options.clip)
    validation, labels = images(backbone, "validation", options.validation)
    sentences = texts(backbone, [captions_of("validation", i, n=1)[0].text for i in range(options.validation)])
    names = encode_names(backbone, CLASSES.names, "a photo of a {}.")
    zero_shot = F.normalize(validation.global_pos.float(), dim=-1) @ names.T
    print(f"zero-shot mAP {average_precision(zero_shot.numpy(), labels.numpy()).mean():.1f}", end="  ")
    print(f"gap {modality_gap(validation.global_pos.float(), sentences.pooled.float()):.2f}", end="  ")
    print(f"logit scale {backbone.logit_scale:.1f}", flush=True)
    data = training_data(backbone, options.captions, options.scenes)
    for changes in options.settings:
        means = {}
        for name in options.methods:
            method = get(name)
            known = method.Settings.model_fields
            own = {key: value for key, value in json.loads(changes).items() if key in known}
            settings = settings_of(config, name, own)
            learned, _ = fit(method, settings, backbone, CLASSES.names, data, options.seeds)
            scores = method(settings, CLASSES.names).scores(learned, validation)
            maps = [float(average_precision(score.numpy(), labels.numpy()).mean()) for score in scores]
            means[name] = np.mean(maps)
            print(f"{name} {np.mean(maps):.2f} ± {np.std(maps, ddof=1):.2f}", end="  ", flush=True)
        if {"tai_dpt", "oracle"} <= means.keys():
            print(f"headroom {means['oracle'] - means['tai_dpt']:+.2f}", end="  ")
        print(changes, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
