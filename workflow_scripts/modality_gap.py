"""Measure and show the modality gap."""

from typing import TYPE_CHECKING, Any

from t2ipal.runtime.job import run
from t2ipal.runtime.progress import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from t2ipal.plan.specs import MethodSpec

SHOWN = 1000


def prompt_distances(
    paths: "Sequence[str]", methods: "Sequence[MethodSpec]", test: Any
) -> "list[tuple[MethodSpec, list[float]]]":
    """For each method with class prompts, the distance of their mean to that of the test images [N, D], by seed."""
    from t2ipal.metrics.evaluate import modality_gap
    from t2ipal.store import read_tensors

    distances = []
    for path, method in zip(paths, methods, strict=True):
        tensors, _ = read_tensors(path)
        if "class_global" in tensors:
            distances.append((method, [modality_gap(test, seed) for seed in tensors["class_global"]]))
        else:
            log.info("%s: no class prompts, left out", path)
    return distances


def main(snakemake: Any) -> None:
    import csv
    import io
    from itertools import combinations
    from statistics import mean

    from t2ipal.features.cache import load_global_features
    from t2ipal.figures import plot_gap, save
    from t2ipal.metrics.evaluate import modality_gap
    from t2ipal.metrics.records import read_records
    from t2ipal.plan.specs import GapSpec
    from t2ipal.store import write_text

    spec, files = GapSpec.read(snakemake.params.spec), snakemake.input
    features = {"captions": load_global_features(files.captions, "global").float().numpy()}
    if files.synthetic:
        features["synthetic images"] = load_global_features(files.synthetic, "global_nopos").float().numpy()
    features["test images"] = load_global_features(files.test, "global_nopos").float().numpy()
    pairs = {f"{a} to {b}": modality_gap(features[a], features[b]) for a, b in combinations(features, 2)}
    prompts = prompt_distances(files.models, spec.prompts, features["test images"])
    rows = list(pairs.items())
    for method, values in prompts:
        when = "before" if method.deterministic else "after"
        rows.append((f"class prompts of {method.title} ({when} training) to test images", mean(values)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("pair", "distance"), *((n, f"{v:.6f}") for n, v in rows)])
    write_text(snakemake.output.csv, text.getvalue())
    shown = {name: values[:SHOWN] for name, values in features.items()}
    figure = plot_gap(spec, read_records(files.metrics, [spec.metric]), shown, pairs, prompts)
    save(figure, [snakemake.output.png, snakemake.output.svg])


if __name__ == "__main__":
    run(main, snakemake)
