"""The one exception a user's mistake may end in."""


class UserError(Exception):
    """An error that the user can fix. The message is one line: file or key, its value, what was expected."""

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
