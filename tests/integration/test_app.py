"""The page of `t2ipal app`: what a browser shows, and what the server refuses."""

from __future__ import annotations

import csv
import errno
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import BROWSERS, Tab, browser
from html_pages import parse, texts
from own_toy import NAMES, write_photos, write_recogniser

from t2ipal.cli import make_parser
from t2ipal.errors import UserError
from t2ipal.prediction import uploads
from t2ipal.prediction.app import App
from t2ipal.prediction.local_http import check_port
from t2ipal.prediction.predict import Recogniser
from t2ipal.prediction.uploads import Batch

OURS = {"X-T2ipal": "app"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    made = App(Recogniser.load(write_recogniser(folder, {"threshold": 0.0}), device="cpu"))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()
    assert not Path(made.uploads.temporary.name).exists()


def send(app: App, request: bytes) -> bytes:
    """Bytes of an own making; those of the answer."""
    with socket.create_connection(app.server_address, timeout=60) as one:
        one.sendall(request)
        one.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: one.recv(1 << 16), b""))


def ask(app: App, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*app.server_address, timeout=60)
    try:
        connection.request(method, path, body, OURS | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def begin(app: App) -> str:
    return json.loads(ask(app, "POST", "/batches")[1])["name"]


def test_photos_come_back_as_a_page_and_a_table(app: App, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "mine", 3)
    name = begin(app)
    for path in photos:
        assert ask(app, "PUT", f"/batches/{name}/photos/a%20photo{path.suffix}", path.read_bytes())[0] == 204
    assert ask(app, "PUT", f"/batches/{name}/photos/..%2F..%2F%3Cb%3E.jpg", b"nothing")[0] == 204
    status, content = ask(app, "POST", f"/batches/{name}")
    found = json.loads(content)
    assert (status, found["text"]) == (200, "3 of 4 photos read, 1 unreadable: _.._<b>.jpg (not an image file)")
    rows = list(csv.DictReader(ask(app, "GET", found["table"])[1].decode().splitlines()))
    names = ["a photo.jpg", "a photo.png", "a photo (2).jpg", "_.._<b>.jpg"]
    assert [row["photo"] for row in rows] == names  # not where they were for a while
    wanted = [photo.scores for photo in app.recogniser.predict(photos)]
    for row, scores in zip(rows, wanted, strict=False):
        assert [float(row[f"score:{each}"]) for each in NAMES] == pytest.approx(scores.tolist(), abs=1e-5)
    assert ask(app, "GET", f"/batches/{name}/photos/a%20photo.jpg")[1] == photos[0].read_bytes()
    assert b"photos/a%20photo%20%282%29.jpg" in ask(app, "GET", found["page"])[1]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("POST", "/batches", {"X-T2ipal": ""}, 403),
        ("GET", "/batches/none/page.html", {}, 404),
        ("GET", "/batches/..%2F..%2Fetc/photos/passwd", {}, 404),
        ("PUT", "/batches/none/photos/a.jpg", {"Content-Length": str(uploads.BYTES + 1)}, 413),
        ("PUT", "/batches/none/photos/a.jpg", {"Content-Length": "-1"}, 411),
        ("PUT", "/batches/none/photos/a.jpg", {"Content-Length": "9" * 5000}, 411),
        ("PUT", "/batches/none/photos/a.jpg", {"Transfer-Encoding": "chunked"}, 411),
        ("GET", "/etc/passwd", {}, 404),
        ("GET", "/", {"Host": "localhost.evil.example:7860"}, 403),
        ("HEAD", "/", {"Host": ""}, 403),
        ("GET", "/", {"Content-Length": "4"}, 400),
        ("POST", "/batches", {"Content-Length": "4"}, 400),
        ("DELETE", "/batches", {}, 501),
        ("OPTIONS", "/batches", {"Origin": "http://evil.example"}, 501),
    ],
)
def test_others_and_large_photos_are_refused(
    app: App, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(app, method, path, **headers)[0] == status


def test_photos_and_pages_are_bounded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PHOTOS", 2)
    names = [begin(app) for _ in range(uploads.KEPT + 1)]
    assert ask(app, "PUT", f"/batches/{names[0]}/photos/a.jpg", b"x")[0] == 404
    assert len(list(Path(app.uploads.temporary.name).iterdir())) == uploads.KEPT
    found = [ask(app, "PUT", f"/batches/{names[-1]}/photos/a.jpg", b"x") for _ in range(3)]
    assert [status for status, _ in found] == [204, 204, 409]
    assert ask(app, "POST", f"/batches/{names[-2]}") == (409, b"no photos")
    status, text = ask(app, "POST", f"/batches/{names[-1]}")
    assert status == 422
    assert text == b"not one of 2 photos could be read; the first is a.jpg: not an image file"


def test_the_sender_of_a_photo_that_is_too_large_gets_an_answer(app: App) -> None:
    path = f"/batches/{begin(app)}/photos/a.jpg"
    assert ask(app, "PUT", path, bytes(uploads.BYTES + 10_000_000)) == (413, b"more than 32 MB")
    assert ask(app, "PUT", path, bytes(5_000_000), **{"X-T2ipal": "no"})[0] == 403


def test_a_photo_that_was_cut_on_the_way_is_not_kept(app: App) -> None:
    name = begin(app)
    head = f"PUT /batches/{name}/photos/a.jpg HTTP/1.1\r\nHost: localhost:{app.server_port}\r\nX-T2ipal: app\r\n"
    answer = send(app, head.encode() + b"Content-Length: 100\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"ended after 4 of 100 bytes")
    assert app.uploads.batch(name).photos == []


def test_a_head_is_an_answer_without_its_body(app: App) -> None:
    status, content = ask(app, "GET", "/")
    answer = send(app, f"HEAD / HTTP/1.1\r\nHost: LOCALHOST:{app.server_port}\r\n\r\n".encode())
    assert status == 200
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(content)}".encode() in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_full_disk_and_an_unexpected_error_are_one_line(
    app: App, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    name = begin(app)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        told = b"the photos cannot be kept: no space left on device"
        assert ask(app, "PUT", f"/batches/{name}/photos/a.jpg", b"x") == (507, told)
    assert not list((app.uploads.batch(name).folder / "photos").iterdir())
    assert ask(app, "PUT", f"/batches/{name}/photos/a.jpg", b"x")[0] == 204
    monkeypatch.setattr(app.recogniser, "predict", lambda *_, **__: 1 / 0)
    assert ask(app, "POST", f"/batches/{name}") == (500, b"ZeroDivisionError: division by zero")
    assert capfd.readouterr().err == "ZeroDivisionError: division by zero\n"


def test_the_page_needs_nothing_from_outside(app: App) -> None:
    status, content = ask(app, "GET", "/")
    assert status == 200
    page = parse(content.decode())
    assert "3 classes: dog, cat, traffic light" in texts(page, "header p")
    assert not page.query("[src], [href]")


def test_any_name_becomes_a_file_of_the_batch(tmp_path: Path) -> None:
    for name in ("", "..", ".hidden", "a/b", "é" * 400 + ".jpg", "x\0y", "\udc80.png"):
        path = Batch(tmp_path).place(name)
        assert path.parent == tmp_path / "photos"
        assert not path.name.startswith(".")
        assert len(os.fsencode(path.name)) <= 255
    batch = Batch(tmp_path)
    for name in ("A.jpg", "a.JPG", "u\u0308.png", "\u00fc.png"):
        batch.photos.append(batch.place(name))
    assert [path.name for path in batch.photos] == ["A.jpg", "a (2).JPG", "u\u0308.png", "\u00fc (2).png"]


def test_a_taken_port_is_one_line(app: App) -> None:
    with pytest.raises(UserError, match=rf"--port: {app.server_port}: address already in use \(expected a free one"):
        App(app.recogniser, app.server_port)
    with pytest.raises(UserError, match=rf"--port: {app.server_port}: address already in use"):
        check_port(app.server_port)
    check_port(0)
    assert app.server_address[0] == "127.0.0.1"
    assert make_parser().parse_args(["app", "m", "--port", "0"]).port == 0


@pytest.mark.browser
def test_a_browser_shows_labels_scores_heat_maps_and_the_threshold(app: App, tmp_path: Path) -> None:
    command = browser()
    if command is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    photos = write_photos(tmp_path / "mine", 4)
    (tmp_path / "mine/bad.jpg").write_bytes(b"nothing")
    inside = 'document.getElementById("page").contentDocument'
    with Tab(command, tmp_path / "profile") as tab:
        tab.load(app.url)
        tab.choose("#files", [*photos, tmp_path / "mine/bad.jpg"])
        told = 'document.getElementById("status").textContent'
        assert tab.until(f'{told}.includes("photos read") && {told}').startswith(
            "4 of 5 photos read, 1 unreadable: bad"
        )
        tab.until(f'{inside}.querySelectorAll("figure").length === 4')
        labels = tab.value(
            f'[...{inside}.querySelectorAll("figure:first-child li span")].map(each => each.textContent)'
        )
        assert sorted(labels[::2]) == sorted(NAMES)
        assert "1 photo could not be read" in tab.value(f"{inside}.body.textContent")
        counted = f'{inside}.querySelectorAll("li.there").length'
        for end, labels_there in (("min", range(12, 13)), ("max", range(2))):
            move = f'const cut = {inside}.getElementById("cut"); cut.value = cut.{end}; '
            tab.value(f'{{ {move} cut.dispatchEvent(new Event("input", {{bubbles: true}})); }}')
            assert tab.value(counted) in labels_there
        tab.value(f'{inside}.getElementById("heat").click()')
        assert tab.value(f'{inside}.querySelectorAll(".hot canvas").length') == 4
        table = tab.value('fetch(document.getElementById("table").href).then(answer => answer.text())')
        assert len(table.splitlines()) == 6
        picture = tab.picture()
    Path(os.environ.get("T2IPAL_SCREENSHOT") or tmp_path / "app.png").write_bytes(picture)
    assert len(picture) > 20_000
