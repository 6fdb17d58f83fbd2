"""Example data in the form in which users bring theirs: class names, captions and photos, of the micro world."""

from __future__ import annotations

import csv
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.store import write_text

CLASSES = ("dog", "cat", "sheep", "person", "car", "bus", "bicycle", "boat")
SIDE = 240

CONFIG = """\
# Written by `t2ipal example`: the micro world as data of one's own. All keys: config/own_data.yaml.
name: {name}
seeds: [1, 2, 3]
pools:
  micro: null
  captions: {{source: text, path: {folder}/captions.txt}}
datasets:
  micro: null
  {name}:
    title: {name}
    classes: {folder}/classes.txt
    pool: captions
    photos: {{path: {folder}/photos}}
data_dir: .
methods: [t2i_pal]
text_to_image: {{steps-2: null, steps-4: null, micro: {{samples: 2}}}}
clip: {{small: null}}
extra: {{zsclip_sparc: null, tai_dpt_sparc: null, t2i_pal_sparc: null, t2i_pal_shared: null}}
partial: null
novel: null
few_shot: null
ablations: {{table5: null, table6: null, supplement: null, calibration: null}}
sweeps: {{fig3a: null, fig3b: null, fig3c: null, fig4: null}}
"""


def write_example(folder: str | Path, photos: int = 300, captions: int = 400, seed: int = 0) -> list[Path]:
    """Write classes.txt, captions.txt, photos/*.jpg, labels.csv and config.yaml; return their paths.

    The scenes of the photos are those of the test stream, the captions' those of the captions' stream. The labels are
    what the photos show: nothing needs them.

    Raises:
        UserError: there is something of that name already, or the folder's name cannot be a config's.
    """
    from pydantic import TypeAdapter, ValidationError

    from t2ipal.validation import Name

    folder = Path(folder)
    try:
        TypeAdapter(Name).validate_python(folder.name)
    except ValidationError:
        raise UserError(f"{folder}: found {folder.name!r} (expected letters, digits, '_', '-' and '.')") from None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: there is something already (expected a new or empty folder)")
    paths = [folder / name for name in ("classes.txt", "captions.txt", "photos", "labels.csv", "config.yaml")]
    write_text(paths[0], "\n".join(CLASSES) + "\n")
    write_text(paths[1], "".join(f"{text}\n" for text in _captions(captions, seed)))
    _write_photos(paths[2], paths[3], photos, seed)
    write_text(paths[4], CONFIG.format(name=folder.name, folder=folder.as_posix()))
    return paths


def _captions(count: int, seed: int) -> list[str]:
    from t2ipal.sources.micro.captions import MicroCaptions

    return [caption.text for caption in MicroCaptions(source="micro", size=count).rows(seed)]


def _write_photos(folder: Path, labels: Path, count: int, seed: int) -> None:
    from PIL import Image

    from t2ipal.atomic import atomic
    from t2ipal.micro.scenes import CLASSES as ALL
    from t2ipal.micro.scenes import render, scene_of

    folder.mkdir(parents=True, exist_ok=True)
    with atomic(labels) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", *CLASSES])
        for number in range(count):
            scene, name = scene_of("test", number, seed), f"{number:04d}.jpg"
            with atomic(folder / name) as photo:
                Image.fromarray(render(scene, SIDE)).save(photo, "JPEG", quality=90)
            present = {ALL[index] for index in scene.labels}
            table.writerow([name, *(int(known in present) for known in CLASSES)])
