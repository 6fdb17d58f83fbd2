"""The page of predictions: what it holds, how large it is, and what a real browser makes of it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import BROWSERS, Tab, browser
from html_pages import data_of, expect_harmless, parse, texts
from own_toy import MEASURED
from photo_page import CLASSES, HEADER, write_page
from PIL import Image

from t2ipal.prediction import gallery
from t2ipal.prediction.gallery import SIDE, Gallery
from t2ipal.prediction.prediction import Prediction
from t2ipal.prediction.thumbnails import thumbnail_folder


def test_the_page_holds_all_and_needs_no_network(tmp_path: Path) -> None:
    page, found = write_page(tmp_path, 4)
    text = page.read_text("utf-8")
    html_page, data = parse(text), data_of(text)
    expect_harmless(html_page, scripts=2)
    assert "url(" not in text
    assert "http" not in text
    assert data["classes"] == list(CLASSES)
    assert texts(html_page, "details summary") == ["1 photo could not be read"]
    assert texts(html_page, "details li") == [f"{tmp_path / 'my photos/bad <one>.jpg'} not an image file"]
    assert [photo["name"] for photo in data["photos"]] == [each.path.name for each in found]
    for photo, each in zip(data["photos"], found, strict=True):
        above = [index for index in np.argsort(-each.scores) if each.scores[index] >= 0.6]
        assert [index for index, _, there in photo["top"] if there] == above
        assert len(photo["top"]) == max(3, len(above))
        assert photo["link"] == f"../my%20photos/photo%20{photo['name'][6:9]}%20%C3%A9%231.jpg"
        assert photo["thumbnail"].startswith("data:image/jpeg;base64,")
        assert set(photo["maps"]) == {str(index) for index in each.heat}
    assert texts(html_page, "#facts")[0] == "4 of 5 photos read · 5 classes · T2I-PAL · CLIP clip.pt · 2 training seeds"
    assert not thumbnail_folder(page).exists()


def test_hundreds_of_photos_stay_below_20_mb(large: tuple[Path, list[Prediction]]) -> None:
    page, _ = large
    assert page.stat().st_size < 20e6
    # noise is the worst case; as many as are embedded still fit
    assert page.stat().st_size / 300 * gallery.EMBEDDED < 40e6


def test_thumbnails_of_many_photos_lie_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "EMBEDDED", 3)
    page, found = write_page(tmp_path, 4)
    for photo in data_of(page.read_text("utf-8"))["photos"]:
        path = page.parent / photo["thumbnail"].replace("%20", " ")
        with Image.open(path) as image:
            assert max(image.size) == SIDE
    assert len(list(thumbnail_folder(page).glob("*.jpg"))) == len(found)
    monkeypatch.setattr(gallery, "EMBEDDED", 9)
    write_page(tmp_path, 2)
    assert not thumbnail_folder(page).exists()  # what an earlier page left


# In a browser


class Shown:
    """The page of 300 photos in a browser."""

    def __init__(self, tab: Tab, page: Path) -> None:
        self.tab, self.page = tab, page

    def load(self, address: str = "") -> str:
        """What the browser makes of the page, at an address."""
        self.tab.load(self.page.as_uri() + address)
        return self.dom()

    def act(self, script: str) -> str:
        """What the browser makes of the page after a script that acts as a person would."""
        self.tab.value(f"{{{script}}}")
        return self.dom()

    def dom(self) -> str:
        """The page as it is now, without scripts and the content of images."""
        return self.tab.value("""(() => {
          const page = document.documentElement.cloneNode(true);
          page.querySelectorAll("script").forEach(each => each.remove());
          page.querySelectorAll("img").forEach(each => each.removeAttribute("src"));
          return page.outerHTML; })()""")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Prediction]]:
    return write_page(tmp_path_factory.mktemp("gallery"), 300)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    found = browser()
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    with Tab(found, tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.fixture
def shown(tab: Tab, large: tuple[Path, list[Prediction]]) -> Shown:
    return Shown(tab, large[0])


def names(dom: str) -> list[str]:
    return re.findall(r'<a href="[^"]*" title="[^"]*">([^<]*)</a>', dom)


def count(dom: str) -> str:
    return re.search(r'<output[^>]*id="count"[^>]*>([^<]*)</output>', dom)[1]


def test_a_browser_shows_the_photos_best_first(shown: Shown, large: tuple[Path, list[Prediction]]) -> None:
    dom = shown.load()
    best = sorted(large[1], key=lambda each: -each.scores.max())
    assert count(dom) == "300 of 300 photos"
    assert names(dom)[:20] == [each.path.name for each in best[:20]]
    assert len(names(dom)) == 300
    assert "1 photo could not be read" in dom
    assert "My &lt;photos&gt;" in dom
    with Image.open(io.BytesIO(shown.tab.picture())) as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 1000, "an empty page"


def test_a_class_filters_and_sorts(shown: Shown, large: tuple[Path, list[Prediction]]) -> None:
    dom = shown.load("#class=traffic+light&sort=score-up")
    index = CLASSES.index("traffic light")
    wanted = [each for each in large[1] if each.scores[index] >= 0.6]
    wanted = sorted(wanted, key=lambda each: each.scores[index])
    assert count(dom) == f"{len(wanted)} of 300 photos"
    assert names(dom)[:20] == [each.path.name for each in wanted[:20]]
    assert f"traffic light ({len(wanted)})" in dom


def test_controls_do_what_a_person_asks(shown: Shown) -> None:
    setter = """
      const set = (id, value, type) => { const e = document.getElementById(id); e.value = value;
        e.dispatchEvent(new Event(type, {bubbles: true})); };"""
    shown.load()
    dom = shown.act(setter + 'set("search", "PHOTO 01", "input"); set("sort", "name", "change");')
    assert count(dom) == "10 of 300 photos"
    assert names(dom) == [f"photo 01{number} é#1.jpg" for number in range(10)]
    dom = shown.act(setter + 'set("search", "nothing like it", "input");')
    assert count(dom) == "0 of 300 photos"
    assert '<p id="none">' in dom
    dom = shown.act(setter + 'set("search", "", "input"); set("class", "0", "change"); set("cut", "0.99", "input");')
    few = int(count(dom).split()[0])
    assert few == int(re.search(r">dog \((\d+)\)<", dom)[1]) < 20


def test_heat_maps_come_by_pointer_by_key_and_for_all(shown: Shown, large: tuple[Path, list[Prediction]]) -> None:
    """A script acts, and after each act notes which cards show a map, and the class that the first badge names."""
    shown.load()
    found = shown.tab.value("""(() => {
      const found = [], cards = () => [...document.querySelectorAll("figure")];
      const note = () => found.push([cards().flatMap((card, at) => card.querySelector(".hot") ? [at] : []),
        cards()[0].querySelector(".badge").textContent]);
      const send = (target, type) => { target.dispatchEvent(new MouseEvent(type)); note(); };
      const key = name => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", {key: name, bubbles: true}));
      const photo = cards()[0].querySelector(".photo"), label = cards()[0].querySelectorAll("li button")[1];
      note();
      send(photo, "mouseenter"); send(photo, "mouseleave");
      send(label, "mouseenter"); send(label, "mouseleave");
      photo.click(); note(); photo.click(); note();
      label.click(); note(); label.click(); note();
      key("ArrowRight"); key("ArrowRight"); document.activeElement.click(); note(); document.activeElement.click();
      key("h"); found.push(cards().every(card => card.querySelector(".hot canvas"))); key("h"); note();
      return found; })()""")
    best = max(large[1], key=lambda each: each.scores.max())
    first, second = (CLASSES[index] for index in best.order(2))
    hovered = [[[], ""], [[0], first], [[], first], [[0], second], [[], second]]
    clicked = [[[0], first], [[], first], [[0], second], [[], second]]
    assert found == [*hovered, *clicked, [[1], second], True, [[], first]]


def test_more_photos_than_a_thousand_come_as_one_scrolls(shown: Shown) -> None:
    copy, text = shown.page.with_name("few at a time.html"), shown.page.read_text("utf-8")
    assert text.count("CHUNK = 1000") == 1
    copy.write_text(text.replace("CHUNK = 1000", "CHUNK = 40"), "utf-8")
    shown.tab.load(copy.as_uri())
    assert shown.tab.value('document.querySelectorAll("figure").length') < 300
    shown.tab.until('scrollTo(0, document.body.scrollHeight), document.querySelectorAll("figure").length === 300')


def test_a_page_without_heat_maps_or_threshold_works(tab: Tab, tmp_path: Path) -> None:
    """No label counts, and the photos of a class are those that show it."""
    page, found = write_page(tmp_path, 3, {**HEADER, "threshold": None}, heat=False)
    page.write_text(page.read_text("utf-8").replace(",1]", ",0]"), "utf-8")
    dom = Shown(tab, page).load()
    assert count(dom) == "3 of 3 photos"
    assert "not known without labelled images" in dom
    assert 'class="there"' not in dom
    top = [name for each in found for name, _ in each.top(3)]
    assert f"dog ({top.count('dog')})" in dom
    assert not parse(page.read_text("utf-8")).query("#heat")
    assert "heat map" not in re.sub(r"<style.*?</style>", "", dom, flags=re.DOTALL)


def test_a_calibrated_page_shows_probabilities_and_every_label_that_counts(tmp_path: Path) -> None:
    """A label of a low threshold is shown though others are likelier."""
    (page, (each,)) = write_page(tmp_path, 1)
    order = each.order(len(CLASSES))
    p, there = each.scores / 2, np.zeros(len(CLASSES), bool)
    there[[order[0], order[-1]]] = True
    header = {**HEADER, "calibration": {**MEASURED["calibration"], "a": [1.0, 0.0, 1.0, 1.0, 1.0]}}
    with Gallery(page, header, 1, 2) as made:
        made.add(replace(each, probabilities=p, there=there))
        made.write()
    data = data_of(page.read_text("utf-8"))
    wanted = [(order[0], 1), (order[1], 0), (order[-1], 1)]
    assert data["photos"][0]["top"] == [[at, round(float(p[at]), 5), counts] for at, counts in wanted]
    assert data["scale"] == [0, 1]
    meaning = texts(parse(page.read_text("utf-8")), "#meaning")[0]
    assert "They rest on 40 labelled validation images, and are off by 4.2 points per class" in meaning
    assert "Scores said nothing there of cat: one probability for all photos." in meaning
