"""Check that the models and data of the config are there and whole; say all that is not, in one go."""

from pathlib import Path
from typing import Any

from job import log, run


def problem(kind: str, key: str, place: str) -> str | None:
    """What is wrong with a model or a path of the config, if anything."""
    from t2ipal.errors import UserError
    from t2ipal.images.manifest import verify

    path = Path(place)
    named = kind != "data" and not path.exists() and place.count("/") < 2 and not path.suffix
    if named:
        log.info("%s: %s is looked up by name when it is needed", key, place)
        return None
    if not path.exists():
        return f"{key}: {place}: no such file or folder"
    try:
        verify(path) if kind != "data" else None
    except UserError as error:
        return f"{key}: {error}"
    log.info("%s: %s", key, place)
    return None


def main(snakemake: Any) -> None:
    from t2ipal.errors import UserError

    found = [problem(*place) for place in snakemake.params.spec["places"]]
    problems = [line for line in found if line]
    if problems:
        raise UserError(f"{len(problems)} of {len(found)} are not in order: {'; '.join(problems)}")


if __name__ == "__main__":
    run(main, snakemake)
