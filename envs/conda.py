"""Write the packages of environment.yaml anew: what pyproject.toml asks for, in the versions of requirements.txt."""

import re
import tomllib
from pathlib import Path

ENVS = Path(__file__).resolve().parent
START = "  - pip:\n"


def main() -> None:
    """Rewrite the list under `pip`; all above it stays."""
    project = tomllib.loads((ENVS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    lock = (ENVS / "requirements.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==([^\s;\\]+)", lock, re.MULTILINE))
    names = [re.match(r"[\w-]+(?:\[\w+\])?", line)[0] for line in lines]
    pins = [f"      - {name}=={versions[name.partition('[')[0]]}\n" for name in names]
    path = ENVS / "environment.yaml"
    head, _, _ = path.read_text(encoding="utf-8").partition(START)
    path.write_text(head + START + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
