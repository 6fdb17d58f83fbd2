"""Measure and show the modality gap."""

from typing import Any

from t2ipal.runtime.job import run

SHOWN = 1000


def main(snakemake: Any) -> None:
    import csv
    import io
    from itertools import combinations
    from statistics import mean

    from t2ipal.features.cache import load_global_features
    from t2ipal.figures import plot_gap, save
    from t2ipal.metrics.modality_gap import modality_gap, prompt_gaps
    from t2ipal.metrics.records import read_records
    from t2ipal.plan.specs import GapSpec
    from t2ipal.store import write_text

    spec, files = GapSpec.read(snakemake.params.spec), snakemake.input
    features = {"captions": load_global_features(files.captions, "global").float().numpy()}
    if files.synthetic:
        features["synthetic images"] = load_global_features(files.synthetic, "global_nopos").float().numpy()
    features["test images"] = load_global_features(files.test, "global_nopos").float().numpy()
    pairs = {f"{a} to {b}": modality_gap(features[a], features[b]) for a, b in combinations(features, 2)}
    gaps = [prompt_gaps(path, features["test images"]) for path in files.models]
    prompts = [(method, values) for method, values in zip(spec.prompts, gaps, strict=True) if values]
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
