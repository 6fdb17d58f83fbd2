"""Measure and draw the modality gap."""

from typing import Any

from job import run

SHOWN = 1000


def main(snakemake: Any) -> None:
    from itertools import combinations

    from t2ipal.evaluate import modality_gap
    from t2ipal.features.cache import load_image_features, load_text_features
    from t2ipal.figures import modality_gap as draw
    from t2ipal.figures import save
    from t2ipal.records import by_run, read_records, run_of
    from t2ipal.store import write_text
    from t2ipal.tables import MethodRow

    spec, files = snakemake.params.spec, snakemake.input
    features = {"captions": load_text_features(files.captions).pooled.float().numpy()}
    if files.synthetic:
        features["synthetic images"] = load_image_features(files.synthetic).global_nopos.float().numpy()
    features["test images"] = load_image_features(files.test).global_nopos.float().numpy()
    pairs = {f"{a} to {b}": modality_gap(features[a], features[b]) for a, b in combinations(features, 2)}
    write_text(
        snakemake.output.csv, "".join(["pair,distance\n", *(f"{pair},{gap:.6f}\n" for pair, gap in pairs.items())])
    )
    runs, data = by_run(read_records(files.metrics)), spec["dataset"]
    gains = [
        (MethodRow(**row), run_of(runs, (data["name"], row["name"], "base", 0), "modality gap"))
        for row in spec["methods"]
    ]
    shown = {name: values[:SHOWN] for name, values in features.items()}
    save(draw(shown, pairs, gains, data["title"]), [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
