"""The page of `t2ipal app`: what a browser shows, and what the server refuses."""

from __future__ import annotations

import base64
import csv
import http.client
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import BROWSERS, Tab, browser
from html_pages import parse, texts
from own_toy import NAMES, write_photos, write_recogniser

from t2ipal.cli import make_parser
from t2ipal.errors import UserError
from t2ipal.prediction import app as served
from t2ipal.prediction.app import App, Batch
from t2ipal.prediction.predict import Recogniser

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
    assert not Path(made.temporary.name).exists()


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
    assert [os.path.basename(row["photo"]) for row in rows] == names
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
        ("PUT", "/batches/none/photos/a.jpg", {"Content-Length": str(served.BYTES + 1)}, 413),
        ("PUT", "/batches/none/photos/a.jpg", {"Content-Length": "-1"}, 411),
        ("GET", "/etc/passwd", {}, 404),
    ],
)
def test_others_and_large_photos_are_refused(
    app: App, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(app, method, path, **headers)[0] == status


def test_photos_and_pages_are_bounded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "PHOTOS", 2)
    names = [begin(app) for _ in range(served.KEPT + 1)]
    assert ask(app, "PUT", f"/batches/{names[0]}/photos/a.jpg", b"x")[0] == 404
    assert len(list(Path(app.temporary.name).iterdir())) == served.KEPT
    found = [ask(app, "PUT", f"/batches/{names[-1]}/photos/a.jpg", b"x") for _ in range(3)]
    assert [status for status, _ in found] == [204, 204, 409]
    assert ask(app, "POST", f"/batches/{names[-2]}") == (409, b"no photos")
    status, text = ask(app, "POST", f"/batches/{names[-1]}")
    assert status == 422
    assert text == b"not one of 2 photos could be read; the first is a.jpg: not an image file"


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


def test_a_taken_port_is_one_line(app: App) -> None:
    with pytest.raises(UserError, match=rf"--port: {app.server_port}: address already in use \(expected a free one"):
        App(app.recogniser, app.server_port)
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
        tab.send("Page.navigate", url=app.url)
        tab.until('document.readyState === "complete" && !!document.getElementById("files")')
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
        picture = base64.b64decode(tab.send("Page.captureScreenshot")["data"])
    Path(os.environ.get("T2IPAL_SCREENSHOT") or tmp_path / "app.png").write_bytes(picture)
    assert len(picture) > 20_000
