"""Train the models of the micro world, and write them beside their manifest."""

from pathlib import Path
from typing import Any

from t2ipal.runtime.job import run


def main(snakemake: Any) -> None:
    import torch

    from t2ipal.errors import UserError
    from t2ipal.micro.zoo.__main__ import main as train

    out = Path(snakemake.output.manifest).parent
    processes = [] if torch.cuda.is_available() else ["--processes", str(snakemake.threads)]
    if train(["--out", str(out), "--work", str(out.parent), *processes]):
        raise UserError("zoo: training failed: see above")


if __name__ == "__main__":
    run(main, snakemake)
