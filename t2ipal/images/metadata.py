"""Pictures without what describes them: good pixels next to damaged notes are still a picture."""

from __future__ import annotations

import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SCAN = 0xDA
"""The marker of a JPEG's pixels."""


def without_metadata(content: bytes) -> bytes | None:
    """A PNG or JPEG without texts, colour profiles and the like; its orientation stays. None: another format."""
    if content.startswith(_PNG):
        return _bare_png(content)
    return _bare_jpeg(content) if content.startswith(_JPEG) else None


def _bare_png(content: bytes) -> bytes:
    """The chunks that make the pixels (their names begin with a capital), transparency, and EXIF data if whole."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        kind, chunk = content[at + 4 : at + 8], content[at:end]
        whole = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if kind[:1].isupper() or kind == b"tRNS" or (kind == b"eXIf" and whole):
            kept.append(chunk)
        at = end
    return b"".join(kept)


def _bare_jpeg(content: bytes) -> bytes | None:
    """All segments but those of applications and comments; EXIF data stay, and Adobe's, which define the colours."""
    kept, at = [_JPEG], len(_JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == _SCAN:
            return b"".join([*kept, content[at:]])
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at:end]
        decides = (marker == 0xE1 and segment[4:10] == b"Exif\0\0") or (marker == 0xEE and len(segment) >= 16)
        if decides or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(segment)
        at = end
    return None
