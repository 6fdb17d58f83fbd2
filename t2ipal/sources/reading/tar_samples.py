"""Samples in tar shards as WebDataset has them: files of one name with different suffixes, found without unpacking."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.store import existing

_NAME = re.compile(r"((?:.*/)?[^/.][^/.]*)\.([^/]+)", re.DOTALL)
"""A sample's key, which ends at the first dot of the file's name, and the suffix."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside of a tar: where its bytes are."""

    tar: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its bytes."""
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(slots=True)
class Sample:
    """The files of one key by suffix, in lower case."""

    key: str
    tar: Path
    members: dict[str, Member] = field(default_factory=dict)

    def first(self, suffixes: Mapping[str, object] | tuple[str, ...]) -> Member | None:
        """The file of the first suffix that it has."""
        return next((self.members[suffix] for suffix in suffixes if suffix in self.members), None)


def shards_of(path: str | Path) -> list[Path]:
    """The tar files of a folder by name, or the file itself.

    Raises:
        UserError: there are none, or the file has another suffix.
    """
    path = existing(path, "tar file, or folder of them")
    shards = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not shards:
        raise UserError(f"{path}: no .tar files in it; expected shards of WebDataset")
    if path.is_file() and path.suffix != ".tar":
        raise UserError(f"{path}: found {path.suffix or 'no suffix'!r}; expected an uncompressed .tar file")
    return shards


def samples_of(path: str | Path) -> Iterator[Sample]:
    """Yield the samples of all shards in their order; only the headers of the tar files are read.

    Raises:
        UserError: as `shards_of`, or a damaged tar file.
    """
    for shard in shards_of(path):
        samples: dict[str, Sample] = {}
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    name = _NAME.fullmatch(member.name.removeprefix("./"))
                    if member.isreg() and name:
                        sample = samples.setdefault(name[1], Sample(name[1], shard))
                        sample.members.setdefault(name[2].lower(), Member(shard, member.offset_data, member.size))
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UserError(f"{shard}: damaged tar file: {error}; expected a whole, uncompressed one") from error
        yield from samples.values()
