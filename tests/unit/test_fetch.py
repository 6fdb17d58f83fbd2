"""Downloads from a server on this machine that breaks, lies and forgets, and archives into folders."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
import socket
import tarfile
import urllib.request
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from configs import default, merged, shipped

from t2ipal.config import load_config
from t2ipal.data_check import load_downloads
from t2ipal.errors import UserError
from t2ipal.fetch import jobs as fetch_jobs
from t2ipal.fetch.jobs import Job, clip_job, fetch_all, named_jobs
from t2ipal.fetch.transfer import TRIES, download, part_of
from t2ipal.fetch.unpack import unpack
from t2ipal.fetch.wanted import folder_of, wanted
from t2ipal.plan.make import make_plan
from t2ipal.sources.registry import caption_source, image_source

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"
Usage = namedtuple("Usage", "total used free")


class Server(ThreadingHTTPServer):
    """Serves `content` under every path but /none; `cuts` are bytes after which connections end."""

    content, tag, ranges, packed, has_length = CONTENT, '"1"', True, "", True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if self.path == "/none":
            return self.send_error(404)
        start = 0
        if server.ranges and wanted and self.headers.get("If-Range") in (None, server.tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        if server.has_length:
            self.send_header("Content-Length", str(len(server.content) - start))
        if server.packed:
            self.send_header("Content-Encoding", server.packed)
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        return self.wfile.write(server.content[start:][:cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: Server, path: Path, **settings: Any) -> Any:
    return download(f"{server.url}/{path.name}", path, pause=0, **settings)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_broken_transfer_continues_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cuts = [100, 3000]
    seen: list[tuple[int, int | None]] = []
    received = get(server, tmp_path / "x.bin", md5=MD5, on_progress=lambda *done: seen.append(done))
    assert (tmp_path / "x.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100-", "bytes=3100-"]
    assert (received.bytes, received.md5, received.sha256) == (len(CONTENT), MD5, hashlib.sha256(CONTENT).hexdigest())
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert left(tmp_path) == ["x.bin"]


def test_proxies_of_an_earlier_call_of_others_are_not_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://127.0.0.1:9"}))
    monkeypatch.setattr(urllib.request, "_opener", dead)  # what urlopen keeps
    assert get(server, tmp_path / "x.bin").bytes == len(CONTENT)


def test_what_breaks_again_and_again_is_continued_by_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cuts = [10] * TRIES
    with pytest.raises(
        UserError, match=f"broke {TRIES} times, last: the connection ended after 50 of 10,240 bytes; 50 "
    ):
        get(server, tmp_path / "x.bin")
    assert not (tmp_path / "x.bin").exists()
    get(server, tmp_path / "x.bin")
    assert server.asked[-1] == "bytes=50-"
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["no ranges", "another file", "no mark"])
def test_what_cannot_be_continued_starts_anew(server: Server, tmp_path: Path, change: str) -> None:
    server.cuts = [500]
    server.ranges = change != "no ranges"
    server.tag = "" if change == "no mark" else '"1"'
    server.content = CONTENT[::-1] if change == "another file" else CONTENT
    if change == "another file":
        part = part_of(tmp_path / "x.bin")
        part.write_bytes(CONTENT[:500])
        part.with_name(f"{part.name}.json").write_text(json.dumps({"url": f"{server.url}/x.bin", "mark": '"0"'}))
    get(server, tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == server.content


def test_a_part_that_is_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    part_of(tmp_path / "x.bin").write_bytes(CONTENT)
    get(server, tmp_path / "x.bin", md5=MD5)
    assert server.asked == [f"bytes={len(CONTENT)}-"]
    get(server, tmp_path / "x.bin", md5=MD5)
    assert len(server.asked) == 1


def test_a_wrong_sum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"md5 {MD5}; expected {'0' * 32}: .* was removed"):
        get(server, tmp_path / "x.bin", md5="0" * 32)
    assert left(tmp_path) == []


def test_the_server_has_another_file_or_none(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the server's file has 10,240 bytes; expected about 900,000"):
        get(server, tmp_path / "x.bin", size=900_000)
    with pytest.raises(UserError, match="/none: the server answers 404 Not Found; expected the file"):
        get(server, tmp_path / "none")
    assert len(server.asked) == 2


def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 10**4, 10**4))
        with pytest.raises(UserError, match=r"needs 0\.00 GB; 0\.00 GB are free"):
            get(server, tmp_path / "x.bin")
    assert left(tmp_path) == []

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("t2ipal.fetch.transfer._copy", full)
    with pytest.raises(UserError, match="the disk is full; make space"):
        get(server, tmp_path / "x.bin")


def test_what_is_no_file_as_it_is(server: Server, tmp_path: Path) -> None:
    server.packed = "gzip"
    with pytest.raises(UserError, match="the server sends it packed by gzip; expected the file as it is"):
        get(server, tmp_path / "x.bin")
    server.packed, server.has_length = "", False
    with pytest.raises(UserError, match="the server sent 10,240 bytes; expected about 900,000"):
        get(server, tmp_path / "x.bin", size=900_000)
    assert left(tmp_path) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"x\.bin\.part: cannot be written: (not a directory|file exists)"):
        get(server, tmp_path / "file/x.bin")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("204 No Content\r\n", "the server answers 204 No Content; expected the file"),
        ("200 OK\r\nContent-Length: 0\r\n", "the server's file has 0 bytes; expected some"),
        ("200 OK\r\n", "the server sent 0 bytes; expected some"),
        ("206 Partial\r\nContent-Range: bytes 0-4/20\r\nContent-Length: 5\r\n", "ended after 5 of 20 bytes"),
        (
            "206 Partial\r\nContent-Range: bytes 9-13/20\r\nContent-Length: 5\r\n",
            "the server continues at another place",
        ),
        ("302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n", "file:///etc/passwd' is not allowed"),
        ("403 \r\nContent-Length: 0\r\n", "the server answers 403 ; expected the file"),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n", "broke 1 times, last: IncompleteRead"),
    ],
)
def test_answers_that_are_no_whole_file(
    tmp_path: Path, answer: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("t2ipal.fetch.transfer.TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(f"HTTP/1.1 {answer}\r\n".encode() + (b"hello" if "Range" in answer else b""))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(UserError, match=message):
            download(f"http://127.0.0.1:{server.getsockname()[1]}/x", tmp_path / "x", pause=0)
        thread.join()
    assert not (tmp_path / "x").exists()


def test_a_part_of_another_address_is_not_continued(server: Server, tmp_path: Path) -> None:
    part = part_of(tmp_path / "x.bin")
    part.write_bytes(b"of another file")
    part.with_name(f"{part.name}.json").write_text('{"url": "http://elsewhere/x.bin", "mark": ""}')
    get(server, tmp_path / "x.bin", md5=MD5.upper())
    assert server.asked == [None]


@pytest.mark.parametrize(
    ("kind", "sums", "message"),
    [
        ("file", {"md5": "0" * 32}, "not the file of http.*: md5 .*; expected 0+ .move it away"),
        ("file", {"size": 900_000}, "not the file of http.*: 4 bytes; expected about 900,000"),
        ("folder", {}, "not a file; expected nothing there, or the file of http"),
        ("broken link", {"md5": MD5}, "not a file; expected nothing there"),
    ],
)
def test_what_was_there_stays(server: Server, tmp_path: Path, kind: str, sums: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.bin"
    made = {"file": lambda: path.write_text("mine"), "folder": path.mkdir, "broken link": lambda: path.symlink_to("y")}
    made[kind]()
    with pytest.raises(UserError, match=message):
        get(server, path, **sums)
    assert left(tmp_path) == ["x.bin"]
    assert not server.asked


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
        return path
    with tarfile.open(path, "w") as opened:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            opened.addfile(about, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_archives_join_what_is_there(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "data"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/old.txt").write_text("old")
    assert unpack(archive(tmp_path / f"x{suffix}", {"a/b/new.txt": b"new", "c/d.txt": b"d"}), folder) == 2
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["a/b/new.txt", "a/b/old.txt", "c/d.txt"]


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_files_of_ones_own_are_not_replaced(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (folder / "a/same.txt").write_text("1")
    (folder / "a/mine.txt").write_text("corrected by hand")
    path = archive(tmp_path / f"x{suffix}", {"a/same.txt": b"1", "a/mine.txt": b"theirs", "a/new.txt": b"2"})
    with pytest.raises(UserError, match=r"a/mine\.txt: not as in the archive; expected the archive's own \(move it"):
        unpack(path, folder)
    assert (folder / "a/mine.txt").read_text() == "corrected by hand"
    assert left(folder / "a") == ["mine.txt", "same.txt"]
    (folder / "a/mine.txt").unlink()
    assert unpack(path, folder) == 3
    assert unpack(path, folder) == 3
    assert left(folder / "a") == ["mine.txt", "new.txt", "same.txt"]


def test_an_archive_with_a_password_is_one_line(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path / "x.zip", {"a.txt": b"1"}).read_bytes())
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(start) + (6 if start.endswith(b"\x04") else 8)] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.zip: damaged archive: .*encrypted"):
        unpack(tmp_path / "x.zip", tmp_path / "data")
    assert left(tmp_path / "data") == []


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_archives_that_are_damaged_or_leave_their_folder(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "data"
    outside = archive(tmp_path / f"x{suffix}", {"good.txt": b"1", "../evil.txt": b"2"})
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(archive(tmp_path / f"y{suffix}", {"a.txt": bytes(3000)}).read_bytes()[:1500])
    for path in (outside, cut):
        with pytest.raises(UserError):
            unpack(path, folder)
        assert left(folder) == []
    assert not (tmp_path / "evil.txt").exists()


def test_a_job_fetches_unpacks_and_notes_the_sum(server: Server, tmp_path: Path) -> None:
    server.content = archive(tmp_path / "x.zip", {"annotations/a.json": b"{}"}).read_bytes()
    said: list[str] = []
    job = Job("coco-annotations-2014", f"{server.url}/x.zip", tmp_path / "COCO", len(server.content))
    assert fetch_all([job], ["nuswide: ask"], lambda total: False, said.append) == 1
    assert (tmp_path / "COCO/annotations/a.json").read_text() == "{}"
    assert left(tmp_path / "COCO") == [".fetched", "annotations"]
    note = json.loads((tmp_path / "COCO/.fetched/x.zip.json").read_text())
    assert (note["sha256"], note["checked"]) == (hashlib.sha256(server.content).hexdigest(), "no checksum is published")
    assert said[0] == "nuswide: ask"
    assert said[1].endswith(f"x.zip (0.00 GB) into {tmp_path / 'COCO'}")
    assert note["sha256"] in said[2]


def test_an_archive_of_ones_own_is_unpacked_and_stays(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"a.json": b"{}"})
    job = Job("mine", "http://127.0.0.1:9/x.zip", tmp_path)
    assert job.run().endswith(f"1 files in {tmp_path}, from {path}, which was there")
    assert left(tmp_path) == [".fetched", "a.json", "x.zip"]
    note = tmp_path / ".fetched/x.zip.json"
    note.write_text(json.dumps({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
    job.run()  # a call that was killed before it unpacked what it had fetched
    assert not path.exists()


def test_two_processes_do_not_fetch_one_file(tmp_path: Path) -> None:
    job = Job("x", "http://127.0.0.1:9/x.zip", tmp_path)
    with (
        fetch_jobs._alone(tmp_path / ".fetched/x.zip.lock", tmp_path),
        pytest.raises(UserError, match=r"x\.zip: another process is fetching it; wait for it, or end it"),
    ):
        job.run()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file/\.fetched: cannot be written: not a directory"):
        Job("x", "http://127.0.0.1:9/x.zip", tmp_path / "file").run()


def test_more_than_a_gigabyte_is_asked_for(tmp_path: Path) -> None:
    asked: list[int] = []
    job = Job("big", "http://127.0.0.1:9/x.zip", tmp_path, 2 * 10**9)
    with pytest.raises(UserError, match=r"2\.00 GB in all: not agreed; expected --yes, or T2IPAL_FETCH=yes"):
        fetch_all([job], [], lambda total: bool(asked.append(total)), str)
    assert asked == [2 * 10**9]


def test_names_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, manual = named_jobs(load_downloads(), tmp_path, tmp_path / "cache")
    assert len(jobs) + len(manual) == len(load_downloads())
    assert [line.partition(":")[0] for line in manual] == [
        "nuswide-lists", "nuswide-labels", "nuswide-images", "tai-dpt-ids"
    ]  # fmt: skip
    assert any("ask its makers by the form on the page" in line for line in manual)
    by_name = {job.name: job for job in jobs}
    assert by_name["coco-val2014"].folder == tmp_path / "COCO"
    assert by_name["CLIP RN101"].sha256.startswith("8fa8567bab74a42d")
    assert clip_job("ViT-B/32", tmp_path).sha256.startswith("40d365715913c9da")
    fetched: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda name, **about: fetched.append(about) or f"at {name}"
    )
    assert by_name["stable-diffusion-v1-5"].run().endswith("in at stable-diffusion-v1-5/stable-diffusion-v1-5")
    assert "safety_checker/*.safetensors" in fetched[0]["ignore_patterns"]
    jobs, _ = named_jobs(["COCO-VAL2017", "rn50", "RN50", "clip", "RN101"], tmp_path, tmp_path)
    assert [job.name for job in jobs] == ["coco-val2017", "CLIP RN50", "CLIP RN101"]
    with pytest.raises(UserError, match="RN102: no such download; expected one of coco-annotations-2014"):
        named_jobs(["RN102"], tmp_path, tmp_path)


def test_published_sums_are_those_of_torchvision() -> None:
    folder = Path(find_spec("torchvision").origin).parent  # its text: an import takes seconds
    table = dict(re.findall(r'"(2007|2007-test)": {.*?"md5": "(\w+)"', (folder / "datasets/voc.py").read_text(), re.S))
    assert {"voc2007-trainval": table["2007"], "voc2007-test": table["2007-test"]} == fetch_jobs.MD5


@pytest.mark.parametrize(
    ("overlay", "names"),
    [
        (
            "voc2007",
            {"coco-annotations-2017", "voc2007-test", "CLIP RN101", "stable-diffusion-v1-5/stable-diffusion-v1-5"},
        ),
        ("nuswide", {"openimages-captions", "CLIP RN101", "stable-diffusion-v1-5/stable-diffusion-v1-5"}),
    ],
)
def test_what_a_config_lacks(overlay: str, names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = merged(default(), shipped(f"config/{overlay}.yaml"))
    config = load_config({**data, "data_dir": str(tmp_path)})
    jobs, manual = wanted(config, make_plan(config), tmp_path / "cache")
    assert {job.name for job in jobs} >= names
    assert bool(manual) == (overlay == "nuswide")
    assert {job.folder for job in jobs if job.name.startswith("voc")} <= {tmp_path}


def test_archives_go_where_their_source_looks() -> None:
    for root, folder in (("d/VOCdevkit/VOC2007", "d"), ("d/VOCdevkit", "d"), ("d/mine", "d/mine")):
        assert folder_of(image_source({"source": "voc", "root": root})) == Path(folder)
    assert folder_of(caption_source({"source": "openimages", "path": "d/x.jsonl"})) == Path("d")
    assert folder_of(caption_source({"source": "coco", "root": "d/COCO"})) == Path("d/COCO")
