"""Pictures as people have them: what is read, how, and what is refused with which reason."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from own_toy import picture
from PIL import Image, ImageCms, PngImagePlugin

from t2ipal.errors import UserError
from t2ipal.images import decoding
from t2ipal.images.decoding import Picture, read_picture

MODES = {
    "JPEG": ("RGB", "L", "CMYK", "1"),
    "TIFF": ("RGB", "L", "CMYK", "P", "1"),
    "JPEG2000": ("RGB", "L"),
    "PPM": ("RGB", "L", "1"),
    "QOI": ("RGB",),
}
"""Colour modes that a format has, if not the usual ones."""

GREY = np.asarray(picture(1, (20, 12)).convert("L"))


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(content: bytes | Path, side: int | None = 32) -> np.ndarray:
    return np.asarray(read_picture(content, side).image)


def reason(content: bytes | Path) -> str:
    with pytest.raises(UserError) as error:
        read_picture(content, 32)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "TGA", "PPM", "QOI"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "1"])
def test_ordinary_pictures_are_as_pillow_has_them(kind: str, mode: str) -> None:
    if mode not in MODES.get(kind, ("RGB", "L", "P", "1")):
        return
    content = saved(picture(2, (20, 12)).convert(mode), kind)
    with Image.open(io.BytesIO(content)) as opened:
        expected = np.asarray(opened.convert("RGB"))
    assert np.array_equal(pixels(content), expected)
    assert np.array_equal(pixels(content, None), expected)


def white_is_zero(values: np.ndarray) -> bytes:
    return saved(Image.fromarray(values), "TIFF", tiffinfo={262: 0})


@pytest.mark.parametrize("content", [
    saved(Image.fromarray(GREY.astype(np.uint16) * 257)),
    saved(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"),
    saved(Image.fromarray(GREY.astype(np.uint16) * 257), "JPEG2000", irreversible=False),
    saved(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"),
    white_is_zero(65_535 - GREY.astype(np.uint16) * 257),
    white_is_zero(1 - GREY.astype(np.float32) / 255),
    b"P5\n20 12\n65535\n" + (GREY.astype(">u2") * 257).tobytes(),
    b"P5\n20 12\n4095\n" + (GREY.astype(float) * 4095 / 255).round().astype(">u2").tobytes(),
], ids=["png", "tiff", "jp2", "float", "white is zero", "float, white is zero", "pgm", "pgm of 12 bits"])  # fmt: skip
def test_greys_of_many_bits_are_scaled_by_their_format(content: bytes) -> None:
    assert np.array_equal(pixels(content), np.repeat(GREY[..., None], 3, 2))


@pytest.mark.parametrize(("values", "message"), [
    (GREY.astype(np.int32) * 257, "grey of 32 bits or with a sign, from .* its range is not known; expected 8 or 16"),
    (GREY.astype(np.float32), "grey of floating point from .* its range is not known; .* or floats from 0 to 1"),
    (GREY.astype(np.float32) / -255, "its range is not known"),
    (np.where(GREY > 200, np.nan, GREY / 255).astype(np.float32), "range is not known|no numbers"),
    (np.where(GREY > 200, np.inf, GREY / 255).astype(np.float32), "its range is not known"),
])  # fmt: skip
def test_greys_of_an_unknown_range_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_picture(saved(Image.fromarray(values), "TIFF"), 32)


def test_colours_of_16_bits_keep_their_upper_8() -> None:
    rgb = np.asarray(picture(3, (20, 12)))
    header = b"P6\n20 12\n65535\n"
    assert np.abs(pixels(header + (rgb.astype(">u2") * 257).tobytes()).astype(int) - rgb).max() <= 1


def test_transparent_pictures_are_on_white() -> None:
    colours = np.full((4, 8, 4), (200, 0, 0, 0), np.uint8)
    colours[:, 2:4, 3], colours[:, 4:, 3] = 128, 255
    image = Image.fromarray(colours)
    expected = np.array([[255, 255, 255], [227, 127, 127], [200, 0, 0]])
    for content in (saved(image), saved(image, "WEBP", lossless=True, exact=True), saved(image, "TIFF")):
        assert np.abs(pixels(content)[0, [0, 2, 7]].astype(int) - expected).max() <= 1
    opaque = image.convert("RGB")
    opaque.putpixel((0, 0), (1, 2, 3))
    assert pixels(saved(opaque, transparency=(1, 2, 3)))[0, :2].tolist() == [[255] * 3, [200, 0, 0]]
    palette = image.convert("RGB").quantize(4)
    assert (pixels(saved(palette, transparency=palette.getpixel((0, 0)))) == 255).all()
    assert np.array_equal(pixels(saved(picture(1, (20, 12)).convert("RGBA"))), np.asarray(picture(1, (20, 12))))
    assert (pixels(saved(Image.new("LA", (4, 4), (0, 0)))) == 255).all()


def test_lab_is_colour() -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.new("RGB", (8, 8), (200, 30, 30)), *profiles, outputMode="LAB")
    assert np.abs(pixels(saved(lab, "TIFF"))[0, 0].astype(int) - (200, 30, 30)).max() < 6


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP", "AVIF"])
def test_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(pixels(content)[8, 8].astype(int) - (255, 0, 0)).max() < 9


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "data", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_broken_metadata_leave_a_picture_as_it_is(kind: str, data: bytes) -> None:
    image = picture(4, (20, 12))
    assert np.array_equal(pixels(saved(image, kind, exif=data)), pixels(saved(image, kind)))


def test_broken_xmp_leaves_a_picture_as_it_is() -> None:
    image, text = picture(4, (20, 12)), PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="99999999999"/><unclosed')
    assert np.array_equal(pixels(saved(image, pnginfo=text)), np.asarray(image))


def test_an_orientation_that_is_none_turns_nothing() -> None:
    image = picture(4, (20, 12))
    for orientation in (0, 99, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        assert np.array_equal(pixels(saved(image, exif=exif)), np.asarray(image))


def test_giants_of_one_byte_a_pixel_are_made_smaller_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one bit, of a palette, of 16 bits, with transparency: as if they were reduced whole."""
    monkeypatch.setattr(decoding, "LARGE", 1000)
    monkeypatch.setattr(decoding, "STRIP", 700)
    whole = picture(5, (130, 90))
    clear = whole.convert("RGBA")
    clear.putalpha(128)
    sixteen = Image.fromarray(np.asarray(whole.convert("L")).astype(np.uint16) * 257)
    for image in (whole.convert("1"), whole.quantize(16), sixteen, clear, whole.convert("L"), clear.convert("LA")):
        full = read_picture(saved(image)).image
        small = read_picture(saved(image), 4)
        assert (small.width, small.height, small.mode) == (130, 90, Image.open(io.BytesIO(saved(image))).mode)
        assert small.image.size == (-(-130 // 5), 18)
        assert np.abs(np.asarray(full.reduce(5)).astype(int) - np.asarray(small.image)).max() <= 1


def test_what_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason(saved(Image.new("L", (1, 201)))) == "1 x 201 pixels: one side is more than 200 times the other"
    assert read_picture(saved(Image.new("L", (1, 200))), 32).height == 200
    monkeypatch.setattr(decoding, "MEMORY", 5000)
    assert reason(saved(Image.new("RGB", (40, 40)))).startswith("40 x 40 pixels take 0.0 GB of memory")
    for mode in ("1", "L", "P"):
        assert read_picture(saved(Image.new(mode, (70, 70))), 32).width == 70


def test_what_is_no_file_is_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
    (tmp_path / "gone.jpg").symlink_to("/nowhere/a.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "x.jpg").mkdir()
    special = "is a pipe, a socket or a device"
    expected = {"pipe.jpg": special, "socket.jpg": special, "gone.jpg": "broken link to /nowhere/a.jpg",
                "loop.jpg": "too many levels of symbolic links", "x.jpg": "is a directory", "none.jpg": "no such file",
                "a\0b.jpg": "embedded null byte"}  # fmt: skip
    assert {name: reason(tmp_path / name) for name in expected} == expected
    assert reason(Path("/dev/zero")) == special


def test_a_program_is_not_run(tmp_path: Path) -> None:
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n") == "EPS: convert it to PNG"


@pytest.mark.parametrize("error", [RuntimeError("Failed to decode\nframe 0"), KeyError(4), MemoryError(), IndexError()])
def test_whatever_a_decoder_raises_is_a_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load(self: object) -> None:
        raise error

    content = saved(picture(1))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert reason(content).startswith("damaged image: ")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_damaged_pictures_are_read_or_have_a_reason() -> None:
    """Bytes changed and cut in every format that Pillow writes, by a fixed seed."""
    random = np.random.default_rng(15)
    image, contents = picture(6, (24, 16)), {}
    Image.init()
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - {"EPS", "WMF", "BUFR", "GRIB", "HDF5"}):
        for mode in ("RGB", "P", "L", "1"):
            try:
                contents.setdefault(kind, saved(image.convert(mode), kind))
            except (OSError, KeyError, ValueError, TypeError):
                continue
    assert {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP"} <= contents.keys()
    read = 0
    for content in contents.values():
        for number in range(12):
            damaged = bytearray(
                content[: random.integers(len(content) // 2, len(content))] if number % 4 == 0 else content
            )
            for place in random.integers(0, len(damaged) if number % 2 else min(64, len(damaged)), 1 + number % 3):
                damaged[place] = random.integers(256)
            try:
                read += isinstance(read_picture(bytes(damaged), 32), Picture)
            except UserError as error:
                assert "\n" not in str(error)  # noqa: PT017 - one line, or none
    assert read > 50


def test_greys_with_a_sign_are_refused() -> None:
    """Pillow reads those of 8 bits as if they had none: -128 would be a middle grey, -1 white."""
    buffer = saved(Image.fromarray(GREY), "TIFF", tiffinfo={339: 2})
    assert reason(buffer) == "8 bits with a sign: its range is not known; expected 8 or 16 bits without a sign"


def _chunk(kind: bytes, data: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong)


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"tIME", b"gAMA", b"acTL", b"zzZz"])
@pytest.mark.parametrize("wrong", [0, 1])
def test_good_pixels_next_to_damaged_chunks_are_read(kind: bytes, wrong: int) -> None:
    whole = saved(picture(3, (20, 12)))
    for place in (33, len(whole) - 12):
        assert np.array_equal(pixels(whole[:place] + _chunk(kind, b"x", wrong) + whole[place:]), pixels(whole))


@pytest.mark.parametrize("start", [b"\xff\xe0\0\7JFIF\0", b"\xff\xe2\0\x0eICC_PROFILE\0", b"\xff\xee\0\7Adobe"])
def test_good_pixels_next_to_damaged_segments_are_read_and_turned(start: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = saved(picture(3, (20, 12)), "JPEG", exif=exif)
    assert pixels(whole).shape == (20, 12, 3)
    assert np.array_equal(pixels(whole[:2] + start + whole[2:]), pixels(whole))


def test_texts_that_expand_to_gigabytes_are_left_out() -> None:
    whole = saved(picture(3, (20, 12)))
    bomb = _chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(10_000_000)))
    assert np.array_equal(pixels(whole[:33] + bomb + whole[33:]), pixels(whole))


def test_a_jpeg_that_ends_in_zeros_is_a_download_that_stopped(tmp_path: Path) -> None:
    whole = saved(picture(3, (60, 60)), "JPEG")
    stopped = whole[: len(whole) * 2 // 3] + bytes(50_000)
    path = tmp_path / "a.jpg"
    path.write_bytes(stopped)
    assert reason(stopped) == reason(path) == "damaged image: its end is zeros, as of a download that stopped"
    path.write_bytes(whole + bytes(500))  # cameras fill sectors
    assert np.array_equal(pixels(path), pixels(whole))
