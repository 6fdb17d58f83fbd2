"""The one exception a user's mistake may end in."""

from __future__ import annotations

import unicodedata

_ENDS_OR_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
"""Categories of characters that end a line, move the cursor of a terminal, or cannot be encoded."""


LONGEST = 2000
"""Characters of a message; what was found may be a text of any length."""


class UserError(Exception):
    """An error that the user can fix. The message is one line: file or key, its value, what was expected."""

    def __init__(self, message: object) -> None:
        text = " ".join(str(message).split())
        super().__init__(printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}..."))


def printable(text: str) -> str:
    """A text of one line for any terminal: line ends, controls and bytes of no text become escapes such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in _ENDS_OR_CONTROLS else c for c in text)
