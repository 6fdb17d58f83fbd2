"""Finding photos, and reading them whatever they are."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from own_toy import picture, write_photos
from PIL import Image

from t2ipal.errors import UserError
from t2ipal.images.decoding import LARGE, read_picture
from t2ipal.images.upright import TURNS
from t2ipal.prediction.photos import find_photos, listing
from t2ipal.sources.reading.folders import Found


def test_a_folder_gives_its_photos_by_name_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "my photos ñ"
    wanted = [*write_photos(folder, 3), *write_photos(folder / "sub folder é", 2)]
    for name in (".hidden.jpg", "notes.txt", "labels.CSV", ".cache/x.jpg"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (folder / "phone.heic").write_bytes(b"x")
    (folder / "no ending").write_bytes(b"x")
    found = [photo.path for photo in find_photos([folder])]
    assert found == sorted([*wanted, folder / "phone.heic", folder / "no ending"])
    mixed = [photo.path for photo in find_photos([wanted[2], folder, wanted[0]])]
    assert mixed == [wanted[2], *(path for path in found if path != wanted[2])]
    assert find_photos([folder / "notes.txt"]) == [Found(folder / "notes.txt")]  # who is named is asked


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such photo or folder"):
        find_photos([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"empty: no photos in this folder"):
        find_photos([tmp_path / "empty"])


def test_what_cannot_be_read_in_a_folder_has_its_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    (photo,) = write_photos(folder / "own", 1)
    other = write_photos(tmp_path / "elsewhere", 2)
    (folder / "gone.jpg").symlink_to("/nowhere")
    (folder / "notes.txt").symlink_to("/nowhere")
    (folder / "own/loop").symlink_to(folder)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(tmp_path / "elsewhere")
    (folder / "locked").mkdir()
    os.mkfifo(folder / "pipe")
    scandir = os.scandir

    def locked(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = find_photos([folder])
    again = [folder / "again" / path.name for path in other]
    assert found == sorted(
        [
            *map(Found, [photo, *again]),
            Found(folder / "gone.jpg", "broken link to /nowhere"),
            Found(folder / "linked", f"the same folder as {folder}/again"),
            Found(folder / "locked", "folder cannot be read: permission denied"),
            Found(folder / "own/loop", f"the same folder as {folder}"),
            Found(folder / "pipe", "is a pipe, a socket or a device"),
        ],
        key=lambda photo: photo.path.as_posix(),
    )
    assert find_photos(found) == found
    assert find_photos([folder / "gone.jpg", photo])[0].problem == "broken link to /nowhere"
    first = listing(folder)
    (folder / "gone.jpg").unlink()
    assert listing(folder) != first


def test_the_listing_changes_with_any_photo(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "a/b", 2)
    first = listing(tmp_path / "a")
    assert listing(tmp_path / "a") == first
    (tmp_path / "a/notes.txt").write_text("no photo")
    assert listing(tmp_path / "a") == first
    paths[0].write_bytes(paths[0].read_bytes() + b" ")
    second = listing(tmp_path / "a")
    paths[1].rename(paths[1].with_name("other.png"))
    assert len({first, second, listing(tmp_path / "a")}) == 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_upright(tmp_path: Path, orientation: int) -> None:
    upright = picture(1, (96, 64))
    undone = {6: 8, 8: 6}.get(orientation, orientation)
    stored = upright.transpose(Image.Transpose[TURNS[undone]]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    photo = read_picture(tmp_path / "a.png", 32)
    assert (photo.width, photo.height) == photo.image.size == (96, 64)
    assert np.array_equal(np.asarray(photo.image), np.asarray(upright))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"a.{'jpg' if mode == 'CMYK' else 'png'}"
    picture(2).convert(mode).save(path)
    assert read_picture(path, 32).image.mode == "RGB"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jpg", b"", "not an image file"),
        ("a.jpg", b"no image", "not an image file"),
        ("a.heic", b"\0\0\0\x18ftypheic", "HEIC: convert it to JPEG"),
        ("cut.png", None, "damaged image"),
        ("cut.jpg", None, "damaged image"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is None:
        picture(3, (300, 200)).save(path)
        content = path.read_bytes()[:1500]
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        read_picture(path, 32)
    assert "\n" not in str(error.value)


def test_a_missing_photo_and_one_that_may_not_be_read_have_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_picture(tmp_path / "none.jpg", 32)
    with pytest.raises(UserError, match="is a directory"):
        read_picture(tmp_path, 32)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_photo_of_100_megapixels_is_read_small(tmp_path: Path, ending: str) -> None:
    """10,000 x 10,000, turned: the left half of the file is the top half of the photo."""
    path = tmp_path / f"large.{ending}"
    pixels = np.zeros((10_000, 10_000), np.uint8)
    pixels[:, 5000:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"compress_level": 1} if ending == "png" else {"quality": 50}
    Image.fromarray(pixels).save(path, exif=exif, **options)
    assert pixels.size > 2 * LARGE
    photo = read_picture(path, 64)
    assert (photo.width, photo.height) == (10_000, 10_000)
    assert 256 <= min(photo.image.size) < 2600
    small = np.asarray(photo.image.convert("L").resize((4, 4)))
    assert small[0].max() < 10
    assert small[-1].min() > 245


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    """A PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 999))
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(UserError, match=r"more than 1,000,000,000 pixels"):
        read_picture(tmp_path / "bomb.png", 32)


def test_a_name_that_is_no_unicode_is_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(name, "wb") as file:
        picture(1).save(file, "PNG")
    (found,) = find_photos([tmp_path])
    assert read_picture(found.path, 32).width == 90
    assert listing(tmp_path)


def test_folders_deeper_than_a_path_may_be_long(tmp_path: Path) -> None:
    """Each folder can be made, yet not the whole path be opened."""
    write_photos(tmp_path, 1)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    photo, deep = find_photos([tmp_path])
    assert (photo.problem, deep.problem) == ("", "folder cannot be read: file name too long")
    assert listing(tmp_path) == listing(tmp_path)
    with pytest.raises(UserError, match=r"a+\.jpg: no such photo or folder"):
        find_photos([tmp_path / f"{'a' * 300}.jpg"])
