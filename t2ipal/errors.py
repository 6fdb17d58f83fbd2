"""The one exception a user's mistake may end in."""


class UserError(Exception):
    """Something the user can mend. The message is one line: file or key, what was found, what was expected."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
