"""Samples in tar shards as WebDataset has them: files of one name with different suffixes, found without unpacking."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.store import existing, existing_file

_NAME = re.compile(r"((?:.*/)?[^/.][^/.]*)\.([^/]+)", re.DOTALL)
"""A sample's key, which ends at the first dot of the file's name, and the suffix."""
_PACKED = re.compile(
    r"\.(tar\.(gz|bz2|xz|zst|zstd|lz4|part|partial|crdownload|download|aria2|tmp)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE
)
_NUMBER = re.compile(r"(.*?)(\d{1,9})((?:-of-\d+)?\.tar)", re.IGNORECASE)
"""What comes before the number of a shard, the number, and what comes after."""
BLOCK = 1 << 20


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
        UserError: there are none, some are compressed or not whole, or the file has another suffix.
    """
    path = existing(path, "tar file, or folder of them")
    if not path.is_dir():
        if path.suffix.lower() != ".tar":
            raise UserError(f"{path}: found {path.suffix or 'no suffix'!r}; expected an uncompressed .tar file")
        return [existing_file(path, "tar file")]
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    if packed := [file for file in files if _PACKED.search(file.name)]:
        raise UserError(f"{packed[0]}: compressed, or not downloaded whole; expected uncompressed .tar files")
    shards = [existing_file(file, "tar file") for file in files if file.suffix.lower() == ".tar"]
    if not shards:
        raise UserError(f"{path}: no .tar files in it; expected shards of WebDataset")
    return shards


def gaps(shards: Sequence[Path]) -> list[str]:
    """The names of shards that their numbers leave out: of 0, 1 and 3 the 2, of `0-of-2` the `1-of-2`."""
    names, wanted = {shard.name for shard in shards}, set()
    numbers: dict[tuple[str, str, int], list[int]] = {}
    for name in names:
        if found := _NUMBER.fullmatch(name):
            numbers.setdefault((found[1], found[3], len(found[2])), []).append(int(found[2]))
    for (before, after, width), there in numbers.items():
        total = re.match(r"-of-(\d+)", after)
        count = int(total[1]) if total else max(there)
        if count <= 100 * len(shards):  # else the numbers are no numbers of shards
            wanted |= {f"{before}{number:0{width}d}{after}" for number in range(0 if total else min(there), count)}
    return sorted(wanted - names)


def samples_of(path: str | Path) -> Iterator[Sample]:
    """Yield the samples of all shards in their order; only the headers of the tar files are read.

    A key that comes again with a suffix that it had begins another sample. Links have no content.

    Raises:
        UserError: as `shards_of`, or a damaged tar file.
    """
    for shard in shards_of(path):
        samples: list[Sample] = []
        latest: dict[str, Sample] = {}
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    name = _NAME.fullmatch(member.name.removeprefix("./"))
                    if member.isdir() or not name:
                        continue
                    key, suffix = name[1], name[2].lower()
                    sample = latest.get(key)
                    if sample is None or suffix in sample.members:
                        sample = latest[key] = Sample(key, shard)
                        samples.append(sample)
                    if member.isreg() and not member.issparse():
                        sample.members[suffix] = Member(shard, member.offset_data, member.size)
                _check_end(shard, tar.offset)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UserError(f"{shard}: damaged tar file: {error}; expected a whole, uncompressed one") from error
        yield from samples


def _check_end(shard: Path, end: int) -> None:
    """Check that zeros follow the last file: `tarfile` ends at a damaged header, or where a file was cut, as well.

    Raises:
        UserError: something else follows, or nothing.
    """
    with shard.open("rb") as file:
        file.seek(end)
        zeros = 0
        while block := file.read(BLOCK):
            if block.count(0) < len(block):
                raise UserError(
                    f"{shard}: damaged tar file: no header at byte {end:,}, but more behind it; expected one whole tar "
                    "file, not several in one"
                )
            zeros += len(block)
    if zeros < tarfile.BLOCKSIZE:
        raise UserError(f"{shard}: damaged tar file: it ends without an end mark; expected a whole one")
