"""What a site offers to stock clients of its own network, as data: a path, and what stands there. Nothing that is not named
is served, so that there is no path to take apart and none to escape by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from airlock.core.artifact import Artifact
from airlock.core.paths import SafePath
from airlock.core.tree import FileEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Bytes that were made of what the site's records say."""

    data: bytes
    media: str
    """A media type (RFC 9110 §8.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An artifact as it was locked; it is restored and its digest compared before its first byte is sent."""

    artifact: Artifact
    media: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A file of a generation; its digest is compared before its first byte is sent."""

    path: SafePath
    """From the site's root on."""
    entry: FileEntry
    media: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Documents that say the same; the client's Accept chooses (RFC 9110 §12.5.1), the last where it does not care."""

    documents: Sequence[Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Stands elsewhere: `location` is a reference relative to the path asked for (RFC 3986 §4.2)."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Depends on the query string, which `answer` gets parsed. It may raise UsageError for one that cannot be meant."""

    answer: Callable[[Mapping[str, str]], "Offer"]


Body = Document | Original | Placed | Choice | Moved | Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, besides what HTTP itself wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An artifact of an installed generation, and the files that it put there, by their path in it."""

    artifact: Artifact
    files: Mapping[SafePath, Placed]
    read: Callable[[Placed], bytes]
    """A small file, whole and compared with its digest. Raises IntegrityError."""
    restorable: bool
    """Whether the site's store still has what the original is restored from."""


@runtime_checkable
class Serves(Protocol):
    """What a kind can do besides whose artifacts a stock client can ask a server for."""

    def served(self, holdings: Sequence[Holding]) -> Mapping[str, Offer]:
        """By absolute path, percent-decoded, as `/simple/`. `holdings` are of this kind alone: those of the generation in use
        first, then those of older ones, the newest first; no two with the same bytes under the same name and version."""
