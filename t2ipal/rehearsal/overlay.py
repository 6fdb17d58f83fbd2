"""The config of a rehearsal: the models of random weights, a few captions, all test images, one row per method."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError

HEAD = "# A rehearsal: random weights in the files of the real models. Written by python -m t2ipal.rehearsal.\n"
SPLIT = "val2014"


def present_classes(root: str | Path) -> list[str]:
    """The classes of COCO that an image of the split has: all 80 on the whole of it, fewer on a part.

    Average precision of a class without a positive image means nothing, and ends an evaluation.

    Raises:
        UserError: no such split.
    """
    from t2ipal.classes import load_classes
    from t2ipal.sources.coco.images import CocoImages
    from t2ipal.sources.image_rows import ImageRow

    classes = load_classes("coco")
    rows = CocoImages(source="coco", root=str(root), split=SPLIT).read(classes)
    columns = zip(*(row.labels for row in rows if isinstance(row, ImageRow)), strict=True)
    return [name for name, labels in zip(classes.names, columns, strict=True) if 1 in labels]


def choose_captions(root: str | Path, count: int) -> list[str]:
    """Ids of the first captions of COCO's split that name a class, one per image.

    Raises:
        UserError: no such captions, or too few that name a class.
    """
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.classes import load_classes
    from t2ipal.sources.caption_rows import Caption
    from t2ipal.sources.coco.captions import CocoCaptions

    pool = CocoCaptions(source="coco", root=str(root), splits=[SPLIT], captions="one")
    rows = [row for row in pool.rows(seed=0) if isinstance(row, Caption)]
    labelled = NounFilter(load_classes("coco")).label(row.text for row in rows)
    named = (row.caption_id for row, labels in zip(rows, labelled, strict=True) if labels.positive)
    chosen = list(islice(named, count))
    if len(chosen) < count:
        raise UserError(f"{root}: {len(chosen)} captions of {SPLIT} name a class; expected at least {count}")
    return chosen


def make_overlay(
    clip: Path,
    pipeline: Path,
    data: Path,
    ids: Path,
    classes: Path,
    steps: int = 2,
    batch: int = 2,
    image_size: int = 224,
) -> dict[str, Any]:
    """What is laid over config.yaml. Sizes are those of config/paper.yaml; steps, epochs and templates are a few."""
    gone = dict.fromkeys
    return {
        "name": "rehearsal",
        "pools": {
            **gone(("micro", "drop-20", "drop-40")),
            "coco": {"source": "coco", "root": str(data), "splits": [SPLIT], "captions": "one", "ids": str(ids)},
        },
        "datasets": {
            "micro": None,
            "coco": {
                "title": "COCO, rehearsal",
                "classes": str(classes),
                "pool": "coco",
                "test": {"source": "coco", "root": str(data), "split": SPLIT},
            },
        },
        "text_to_image": {
            **gone(("micro", "steps-2", "steps-4")),
            "sd15": {
                "model": str(pipeline),
                "samples": 1,
                "steps": steps,
                "guidance": 7.5,
                "width": 512,
                "height": 512,
                "batch": batch,
                "encoding": "webp",
            },
        },
        "clip": {
            **gone(("micro", "small")),
            "rn101": {"model": str(clip), "image_size": image_size, "crop": "center", "batch": 16},
        },
        "use": {"text_to_image": "sd15", "clip": "rn101"},
        "methods": ["zsclip", "tai_dpt", "t2i_pal"],
        "extra": gone(("zsclip_sparc", "tai_dpt_sparc", "t2i_pal_sparc", "t2i_pal_shared")),
        "partial": None,
        "novel": None,
        "few_shot": None,
        "score_rules": None,
        "training": {"epochs": 2, "templates": 2},
        "ablations": gone(("table5", "table6", "supplement", "calibration")),
        "sweeps": gone(("fig3a", "fig3b", "fig3c", "fig4")),
        "bootstrap": 100,
    }


def write_overlay(path: Path, overlay: dict[str, Any]) -> None:
    """Write the overlay as a config file."""
    import yaml

    path.write_text(HEAD + yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
