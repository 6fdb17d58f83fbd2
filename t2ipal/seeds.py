"""Seeds that depend on what is sampled, never on when, where or in which batch."""

import hashlib
import json


def seed_of(*parts: str | int) -> int:
    """Hash `parts` to a seed in [0, 2**63), equal on every machine and in every process."""
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
