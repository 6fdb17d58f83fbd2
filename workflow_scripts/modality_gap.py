"""Measure and draw the modality gap."""

from typing import Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log

SHOWN = 1000


def prompt_distances(paths: list[str], methods: list[dict[str, Any]], test: Any) -> list[tuple[Any, list[float]]]:
    """For each method with class prompts, the distance of their mean to that of the test images [N, D], by seed."""
    from t2ipal.metrics.evaluate import modality_gap
    from t2ipal.store import read_tensors
    from t2ipal.tables import MethodRow

    found = []
    for path, row in zip(paths, methods, strict=True):
        tensors, _ = read_tensors(path)
        if "class_global" in tensors:
            found.append((MethodRow(**row), [modality_gap(test, seed) for seed in tensors["class_global"]]))
        else:
            log.info("%s: no class prompts, not drawn", path)
    return found


def main(snakemake: Any) -> None:
    import csv
    import io
    from itertools import combinations
    from statistics import mean

    from t2ipal.features.cache import load_global_features
    from t2ipal.figures import modality_gap as draw
    from t2ipal.figures import save
    from t2ipal.metrics.evaluate import modality_gap
    from t2ipal.metrics.records import by_run, read_records, run_of
    from t2ipal.store import write_text
    from t2ipal.tables import MethodRow

    spec, files = snakemake.params.spec, snakemake.input
    features = {"captions": load_global_features(files.captions, "global").float().numpy()}
    if files.synthetic:
        features["synthetic images"] = load_global_features(files.synthetic, "global_nopos").float().numpy()
    features["test images"] = load_global_features(files.test, "global_nopos").float().numpy()
    pairs = {f"{a} to {b}": modality_gap(features[a], features[b]) for a, b in combinations(features, 2)}
    prompts = prompt_distances(files.models, spec["prompts"], features["test images"])
    rows = list(pairs.items())
    for method, values in prompts:
        when = "before" if method.deterministic else "after"
        rows.append((f"class prompts of {method.title} ({when} training) to test images", mean(values)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("pair", "distance"), *((n, f"{v:.6f}") for n, v in rows)])
    write_text(snakemake.output.csv, text.getvalue())
    runs, data = by_run(read_records(files.metrics)), spec["dataset"]
    gains = [
        (MethodRow(**row), run_of(runs, (data["name"], row["name"], "base", 0), "modality gap"))
        for row in spec["methods"]
    ]
    shown = {name: values[:SHOWN] for name, values in features.items()}
    save(draw(shown, pairs, gains, data["title"], prompts), [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
