"""How workers tell what they do. Progress bars, JSON lines and test recorders are reporters; workers never print."""

from typing import Protocol


class Reporter(Protocol):
    def start(self, task: str, total: int | None) -> None:
        """A long task begins; `total` is in bytes, None where it is not known."""

    def advance(self, task: str, amount: int) -> None:
        """`amount` more bytes of `task` are done; never negative. Called from any thread."""

    def finish(self, task: str) -> None: ...

    def note(self, text: str) -> None:
        """One line about what was done."""

    def warn(self, text: str) -> None:
        """One line about what the user should look at, though the command goes on."""


class Silent:
    """Says nothing."""

    def start(self, task: str, total: int | None) -> None: ...
    def advance(self, task: str, amount: int) -> None: ...
    def finish(self, task: str) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
