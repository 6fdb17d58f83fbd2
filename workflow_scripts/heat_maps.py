"""Draw where classes look in test images."""

from typing import Any

from t2ipal.runtime.job import run

SHOWN = 12


def main(snakemake: Any) -> None:
    from t2ipal.features.room import Room
    from t2ipal.pages.examples import image_examples
    from t2ipal.pages.sheets import heat_sheet
    from t2ipal.store import atomic

    files = snakemake.input
    room = Room.of_job(snakemake.resources.get("mem_mb"))
    rows = image_examples(files.model, files.features, files.images, snakemake.params.spec, SHOWN, room=room)
    with atomic(snakemake.output.png) as part:
        heat_sheet(rows).save(part, "PNG")


if __name__ == "__main__":
    run(main, snakemake)
