"""List the captions of a pool that any data set keeps: each is drawn once."""

from typing import Any

from job import run


def main(snakemake: Any) -> None:
    import pyarrow as pa

    from t2ipal.store import read_parquet, write_parquet

    texts: dict[str, str] = {}
    for path in snakemake.input.labelled:
        table = read_parquet(path, ["caption_id", "text"])
        texts |= dict(zip(table["caption_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    ids = sorted(texts)
    schema = pa.schema([("caption_id", pa.string()), ("text", pa.string())])
    write_parquet(pa.table({"caption_id": ids, "text": [texts[key] for key in ids]}, schema), snakemake.output.drawn)


if __name__ == "__main__":
    run(main, snakemake)
