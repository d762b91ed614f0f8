"""What every error looks like, and the exit code of each family.

An error says where, what is wrong, what was expected and what was found, and the next step if there is one. The exit
codes are an interface: scripts on both sides of the gap branch on them.
"""

from typing import ClassVar


class AirlockError(Exception):
    """The base of every error that a user can cause or meet. `str()` is one line; `hint` is the way on."""

    exit_code: ClassVar[int] = 1
    family: ClassVar[str] = "internal"

    def __init__(
        self,
        where: str,
        what: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.where = where
        self.what = what
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(where, what)

    def __str__(self) -> str:
        parts = [f"expected {self.expected}"] if self.expected is not None else []
        parts += [f"found {self.found}"] if self.found is not None else []
        return f"{self.where}: {self.what}" + (": " + ", ".join(parts) if parts else "")


class UsageError(AirlockError):
    """The command line or `airlock.toml` asks for something that cannot be meant."""

    exit_code = 2
    family = "usage"


class ResolutionError(AirlockError):
    """No set of artifacts answers the manifest, or the lock no longer does."""

    exit_code = 3
    family = "resolution"


class FetchError(AirlockError):
    """Bytes that the lock names could not be had."""

    exit_code = 4
    family = "fetch"


class IntegrityError(AirlockError):
    """Bytes are not what was locked, signed or recorded."""

    exit_code = 5
    family = "integrity"


class TargetError(AirlockError):
    """The machine or root at hand is not what the bundle was made for, or failed while it was changed."""

    exit_code = 6
    family = "target"
