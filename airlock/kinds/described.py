"""What an artifact says of itself, for people and for bills of materials."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airlock.core.artifact import Artifact
from airlock.kinds import Library


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is not said is left empty."""

    license: str = ""
    expression: bool = False
    """Whether `license` is an SPDX expression (PEP 639); else it is the author's words."""
    summary: str = ""
    identifier: str = ""
    """A package URL (purl)."""


NOTHING = Description()


@runtime_checkable
class Describes(Protocol):
    """What a kind can do besides whose artifacts say more than the lock has of them."""

    def described(self, artifact: Artifact, library: Library) -> Description:
        """Read where the library has it; never asks the network. Raises IntegrityError or FetchError."""
