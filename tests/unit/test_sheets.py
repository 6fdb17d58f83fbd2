"""Contact sheet and heat maps."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from t2ipal.errors import UserError
from t2ipal.pages.sheets import (
    CaptionExample,
    ImageExample,
    contact_sheet,
    cropped,
    font,
    heat_sheet,
    open_image,
    overlay,
    wrapped,
)

NAMES = ("person", "dog", "sofa")
RED, BLUE = (200, 30, 30), (30, 30, 200)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_the_sheet_shows_each_image_beside_its_caption() -> None:
    rows = [
        CaptionExample("a dog", ("dog",), (plain(RED), plain(BLUE))),
        CaptionExample("a man", ("person",), (None, plain(RED))),
    ]
    sheet = contact_sheet(rows, size=50, columns=1)
    colours = [sheet.getpixel((8 + 100 + k * 58 + 25, 8 + 66 * row + 5)) for row in range(2) for k in range(2)]
    assert colours == [RED, BLUE, (255, 255, 255), RED]
    assert np.asarray(sheet.crop((0, 0, 100, 66)).convert("L")).min() < 100  # the caption is there
    with pytest.raises(UserError, match="no captions"):
        contact_sheet([])


def test_long_captions_stay_in_their_column() -> None:
    sheet = contact_sheet(
        [CaptionExample("a very long caption " * 30, ("dog",) * 12, (plain(RED),))], size=80, columns=1
    )
    text = np.asarray(sheet.crop((0, 0, 168, sheet.height)).convert("L"))
    assert text[:, 161:].min() == 255
    assert text[92:].min() == 255


def test_wrapped_breaks_what_does_not_fit() -> None:
    draw = ImageDraw.Draw(plain(RED))
    lines = wrapped(draw, "supercalifragilistic dog", font(13), 60)
    assert all(draw.textlength(line, font=font(13)) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == "supercalifragilisticdog"
    assert wrapped(draw, "", font(13), 60) == []


def test_the_overlay_is_hot_where_the_map_is() -> None:
    heat = np.zeros((3, 3))
    heat[0, 2] = 0.7
    image = np.asarray(overlay(plain((100, 100, 100), (90, 60)), heat)).astype(int)
    assert image.shape == (60, 90, 3)
    assert image[5, 85, 0] > 150
    assert np.ptp(image[50, 10]) == 0  # far away: the grey picture


def test_cropped_is_what_clip_sees() -> None:
    assert cropped(plain(RED, (90, 60)), "center").size == (60, 60)
    assert cropped(plain(RED, (90, 60)), "squash").size == (90, 60)


def test_heat_sheet_holds_all_maps() -> None:
    maps = tuple((name, np.eye(3), 0.5) for name in NAMES)
    sheet = heat_sheet([ImageExample(plain(RED), ("dog",), maps)] * 3, size=60, columns=2)
    assert sheet.size == (2 * (4 * 68 + 16) + 8, 2 * 96 + 8)
    with pytest.raises(UserError, match="no images"):
        heat_sheet([])


def test_open_image_reads_bytes_or_a_path(tmp_path: Path) -> None:
    file = io.BytesIO()
    plain(RED).save(file, "PNG")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    for value in ({"bytes": file.getvalue(), "path": None}, {"bytes": None, "path": str(tmp_path / "a.png")}):
        assert open_image(value).getpixel((0, 0)) == RED
    with pytest.raises(UserError, match="neither bytes nor a path"):
        open_image({"bytes": None, "path": None})
    with pytest.raises(UserError, match=r"gone\.png: cannot be read"):
        open_image({"bytes": None, "path": str(tmp_path / "gone.png")})
