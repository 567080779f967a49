"""How a bridge ends: one line for the operator, and an exit code."""

EXIT_SETTING = 2
EXIT_TAKEN_OVER = 3


class BridgeError(Exception):
    """The bridge cannot go on. The text says why and what to do."""

    def __init__(self, text: str, *, exit_code: int = EXIT_SETTING) -> None:
        super().__init__(text)
        self.exit_code = exit_code
