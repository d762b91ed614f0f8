"""How airlock itself travels: as artifacts of a kind that can be put in place with nothing but a shell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from airlock.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Itself:
    """The airlock that runs, as an artifact of a kind."""

    file: str
    data: bytes
    absent: str = ""
    """Why its native crate is not in it; empty where it is."""


@runtime_checkable
class Carrier(Protocol):
    """What a kind can do besides where airlock itself travels as its artifacts."""

    @property
    def name(self) -> str:
        """As of the kind."""

    def script(self) -> str:
        """The shell script that puts them in place, from the archive behind it; words as @DIGEST@ are filled in."""

    def itself(self, target: Target, given: Path | None) -> Itself:
        """airlock for a target: the one that runs, or the file `given`. Raises TargetError or UsageError."""
