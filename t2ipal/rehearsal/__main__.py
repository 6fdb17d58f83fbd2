"""Write a rehearsal: `python -m t2ipal.rehearsal --out FOLDER --data COCO_ROOT`, then run what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from t2ipal.backbones.openai.variants import VARIANTS, file_name
from t2ipal.runtime.frame import framed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m t2ipal.rehearsal", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the models, 4.6 GB, and the config")
    parser.add_argument("--data", type=Path, required=True, help="COCO in the official layout, or a part of it")
    parser.add_argument("--clip", choices=sorted(VARIANTS), default="RN101", help="OpenAI's model to be as large as")
    parser.add_argument("--captions", type=int, default=4, help="captions, and images to generate")
    parser.add_argument("--steps", type=int, default=2, help="solver steps of an image")
    arguments = parser.parse_args()
    out, data = arguments.out.resolve(), arguments.data.resolve()
    sys.exit(framed(lambda: write(out, data, arguments.clip, arguments.captions, arguments.steps)))


def write(out: Path, data: Path, variant: str, captions: int, steps: int) -> None:
    """Write models, caption ids and config; print what to run.

    Raises:
        UserError: no captions at `data`.
    """
    from t2ipal.backbones.openai.archive import write_archive
    from t2ipal.rehearsal.overlay import choose_captions, make_overlay, present_classes, write_overlay
    from t2ipal.rehearsal.stable_diffusion import write_pipeline

    out.mkdir(parents=True, exist_ok=True)
    ids, classes, overlay = (out / name for name in ("captions.txt", "classes.txt", "rehearsal.yaml"))
    for path, lines in ((ids, choose_captions(data, captions)), (classes, present_classes(data))):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Not the name of the published file, whose hash it cannot have.
    clip = write_archive(out / f"random-{file_name(variant)}", VARIANTS[variant])
    pipeline = write_pipeline(out / "random-stable-diffusion-v1-5")
    write_overlay(overlay, make_overlay(clip, pipeline, data, ids, classes, steps))
    print(f"snakemake --cores 1 --configfile {overlay}")
    print(f"python -m t2ipal.rehearsal.measure --out {out} --data {data} --results results/rehearsal")


if __name__ == "__main__":
    main()
