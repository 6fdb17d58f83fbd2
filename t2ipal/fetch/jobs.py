"""What can be fetched, where it goes, and what has to be asked of people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.backbones.openai.variants import SHA256, address
from t2ipal.data_check import PIPELINE, Download, load_downloads
from t2ipal.errors import UserError
from t2ipal.fetch.transfer import Progress, check_space, download
from t2ipal.fetch.unpack import unpack
from t2ipal.file_lock import try_lock
from t2ipal.store import read_json, write_json

if TYPE_CHECKING:
    from t2ipal.images.settings import GenerationSettings

LAYOUT = {
    **dict.fromkeys(("coco-annotations-2014", "coco-annotations-2017"), "COCO"),
    **dict.fromkeys(("coco-train2014", "coco-val2014", "coco-train2017", "coco-val2017"), "COCO"),
    **dict.fromkeys(("voc2007-trainval", "voc2007-test"), "."),
    "openimages-captions": "OpenImages/captions",
}
"""The documented folder of each download, below data_dir (docs/data.md)."""

MD5 = {
    "voc2007-trainval": "c52e279531787c972589f7e41ab4ae64",
    "voc2007-test": "b6e924de25625d8de591ea690078ad9f",
}
"""Published checksums, as torchvision has them."""

ARCHIVES = (".zip", ".tar")
ASKED = 1_000_000_000
"""Bytes above which one is asked first."""
NOTES = ".fetched"
"""Folder of the notes on what was fetched, next to it."""


@dataclass(frozen=True)
class Job:
    """Something to fetch.

    Attributes:
        name: of a row of the table of downloads, or of a model.
        url: its address; of a model on the Hugging Face hub its name.
        folder: where it goes.
        bytes: about; None: not known.
        md5, sha256: published checksums.
        pipeline: how the pipeline of a model on the hub is loaded; None: this is no such model.
    """

    name: str
    url: str
    folder: Path
    bytes: int | None = None
    md5: str = ""
    sha256: str = ""
    pipeline: GenerationSettings | None = None

    @property
    def text(self) -> str:
        """What, from where, how much, and to which folder."""
        size = "size not stated" if self.bytes is None else f"{self.bytes / 1e9:.2f} GB"
        return f"{self.name}: {self.url} ({size}) into {self.folder}"

    def run(self, on_progress: Progress | None = None) -> str:
        """Fetch it; return what was fetched, as a line.

        An archive is removed when it is unpacked, unless it was there before.

        Raises:
            UserError: as `download` and `unpack`, the hub cannot be reached, or another process fetches the same.
        """
        if self.pipeline is not None:
            return f"{self.name}: in {fetch_pipeline(self.pipeline)}"
        path = self.folder / self.url.rpartition("/")[2]
        note = self.folder / NOTES / f"{path.name}.json"
        with _alone(note.with_suffix(".lock"), path):
            return self._run(path, note, on_progress)

    def _run(self, path: Path, note: Path, on_progress: Progress | None) -> str:
        is_archive, was_there = path.suffix in ARCHIVES, os.path.lexists(path)
        if is_archive and self.bytes and not was_there:
            # photographs hardly shrink: the archive and what is in it are there together
            check_space(self.folder, 2 * self.bytes, f"{self.name} and its archive")
        sums = {"md5": self.md5, "sha256": self.sha256}
        received = download(self.url, path, size=self.bytes, on_progress=on_progress, **sums)
        published = next((f"{name} as published" for name, value in sums.items() if value), "no checksum is published")
        is_ours = not was_there or (note.is_file() and read_json(note).get("sha256") == received.sha256)
        if not was_there:
            about = {"url": self.url, "bytes": received.bytes, "md5": received.md5, "sha256": received.sha256}
            about |= {"checked": published, "fetched": datetime.now(UTC).isoformat(timespec="seconds")}
            write_json(note, about)
        line = f"{self.name}: {received.bytes:,} bytes, sha256 {received.sha256} ({published})"
        if not is_archive:
            return f"{line}; {path}{' was there' if was_there else ''}"
        count = unpack(path, self.folder)
        if is_ours:
            path.unlink()
        return f"{line}; {count:,} files in {self.folder}{'' if is_ours else f', from {path}, which was there'}"


@contextmanager
def _alone(lock: Path, path: Path) -> Iterator[None]:
    """Hold a lock, so that no two processes write one file.

    Raises:
        UserError: another one has it, or the folder cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise UserError(f"{lock.parent}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    with file:
        if try_lock(file) is False:
            raise UserError(f"{path}: another process is fetching it; wait for it, or end it")
        yield


def job_of(row: Download, folder: Path) -> Job | None:
    """The job of a row of the table; None for what has to be asked of people, or has no address of its own."""
    if row.name not in LAYOUT:
        return None
    return Job(row.name, row.url, folder, row.bytes, MD5.get(row.name, ""))


def clip_job(model: str, folder: Path, size: int | None = None) -> Job:
    """The job of a CLIP of OpenAI's by name; its address contains its SHA-256."""
    if model not in SHA256:
        raise UserError(f"CLIP {model!r}: expected one of {', '.join(SHA256)}")
    return Job(f"CLIP {model}", address(model), folder, size, sha256=Path(address(model)).parent.name)


def named_jobs(names: Iterable[str], data_dir: Path, cache: Path) -> tuple[list[Job], list[str]]:
    """The jobs of rows of the table, and for the others a line on how one gets them.

    Args:
        names: of rows, or of CLIPs of OpenAI's, in any case.
        data_dir: where data go, into the documented folders.
        cache: where CLIPs go.

    Raises:
        UserError: no such row.
    """
    from t2ipal.images.settings import GenerationSettings

    table, jobs, manual = load_downloads(), [], []
    known = {name.lower(): name for name in (*table, *SHA256)} | {"clip": "RN101"}
    for name in dict.fromkeys(known.get(name.lower(), name) for name in names):
        if name in SHA256:
            jobs.append(clip_job(name, cache, table["clip"].bytes if name == "RN101" else None))
            continue
        if name not in table:
            raise UserError(f"{name}: no such download; expected one of {', '.join([*table, *SHA256])}")
        row = table[name]
        if name == PIPELINE:
            repository = "/".join(row.url.rsplit("/", 2)[1:])
            settings = GenerationSettings(model=repository)
            jobs.append(Job(name, repository, Path("the cache of Hugging Face"), row.bytes, pipeline=settings))
        elif job := job_of(row, data_dir / LAYOUT.get(name, ".")):
            jobs.append(job)
        else:
            manual.append(by_hand(row))
    return jobs, manual


def by_hand(row: Download) -> str:
    """What a person has to do for a download that no program may make, or that has no address of its own."""
    return f"{row.name}: not fetched by a program. {row.text}"


def fetch_pipeline(settings: GenerationSettings) -> str:
    """Fetch the files of a pipeline on the hub that its generation reads, into the hub's cache; returns the folder.

    Raises:
        UserError: it cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    kind = f".{settings.variant}" if settings.variant else ""
    ignored = [] if kind else ["*/*.fp16.*", "*/*.bf16.*", "*/*.non_ema.*"]
    if settings.safety == "off":
        ignored.append("safety_checker/*.safetensors")
    wanted = ["model_index.json", "*/*.json", "*/*.txt", "*/*.model"]
    wanted += [f"*/*{kind}.safetensors", f"*/*{kind}-*.safetensors"]
    try:
        return snapshot_download(
            settings.model, revision=settings.revision, allow_patterns=wanted, ignore_patterns=ignored
        )
    except Exception as error:  # the hub's own kinds, and those of its HTTP library
        raise UserError(f"{settings.model}: cannot be fetched from the hub: {str(error)[:300]}") from error


def fetch_all(
    jobs: Sequence[Job], manual: Sequence[str], agreed: Callable[[int], bool], say: Callable[[str], None]
) -> int:
    """Say what there is to fetch, ask above `ASKED`, fetch; returns the number of jobs done.

    Args:
        manual: lines on what a person has to get.
        agreed: asked with the bytes of all jobs, if they are many or not all known.
        say: prints a line.

    Raises:
        UserError: not agreed, or a job failed; those before it stay done.
    """
    from t2ipal.runtime.progress import progress

    for line in (*manual, *(job.text for job in jobs)):
        say(line)
    total = total_of(jobs)
    if jobs and (total > ASKED or any(job.bytes is None for job in jobs)) and not agreed(total):
        how = "--yes, or T2IPAL_FETCH=yes for snakemake fetch"
        raise UserError(f"{total / 1e9:.2f} GB in all: not agreed; expected {how}")
    for job in jobs:
        with progress(job.name, "MB") as report:
            say(job.run(lambda there, whole, report=report: report(there // 10**6, whole and whole // 10**6)))
    return len(jobs)


def total_of(jobs: Sequence[Job]) -> int:
    """Bytes of all jobs, as far as their sizes are known."""
    return sum(job.bytes or 0 for job in jobs)
