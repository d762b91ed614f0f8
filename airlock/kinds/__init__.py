"""What airlock can carry. A kind answers: what was asked, what does that pin, where are the bytes, which files does it
put on the target. Code outside this package never mentions a kind by name; `registry.py` lists them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest
from airlock.core.expanded import Member
from airlock.core.paths import SafePath
from airlock.core.reporter import Reporter
from airlock.core.target import Target
from airlock.core.web import Web
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.formats.manifest import Manifest
from airlock.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Which pins of the previous lock may move."""

    everything: bool = False
    names: frozenset[str] = frozenset()

    def keeps(self, name: str) -> bool:
        return not self.everything and name not in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class NearSide:
    """Everything that a kind may use on the machine with a network."""

    directory: Path
    """Where `airlock.toml` and the lock are; relative paths start here."""
    cache: Path
    store: Store
    web: Web
    default_index: Callable[[], str]
    """The URL of the simple index that the user's pip is configured for; asked only when it is needed."""
    reporter: Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRequest:
    manifest: Manifest
    where: str
    """The manifest's file name, for messages."""
    near: NearSide
    previous: Lockfile | None
    upgrade: Upgrade


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where a kind may put files on the far side: below one generation, through `write` alone."""

    target: Target
    interpreter: str
    """Absolute path of the generation's own Python, for the first line of scripts."""
    write: Callable[[SafePath, Iterable[bytes], int], tuple[Digest, int]]
    """`write(path, chunks, mode)` creates one file and returns its digest and size in bytes. Raises IntegrityError where
    the path was written before."""
    write_all: Callable[[Sequence["Placing"]], list[Digest]]
    """As `write`, for many files at a time, which is several times faster. Returns their digests."""


class Placing(NamedTuple):
    """A file to put into a room."""

    path: SafePath
    mode: int
    content: int | bytes
    """The bytes, or where in the artifact's expanded form they stand (`Member.offset`)."""
    size: int


class Kind(Protocol):
    @property
    def name(self) -> str:
        """As `kind` in the lockfile and index, such as `wheel`."""

    @property
    def section(self) -> str:
        """The key of `airlock.toml` that it reads, such as `python`."""

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        """A digest of everything that decides what `pin` answers, the network aside: the section, what it refers to
        (constraint files, templates, local files, source trees) and the targets. Must not touch the network. Raises
        UsageError with the place of a fault in the section."""

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        """What the section asks for, pinned for every target. May put bytes into the store that only it can make.
        Raises UsageError, ResolutionError or FetchError."""

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        """Bring the original into the store, which checks its digest. Raises FetchError or IntegrityError."""

    @property
    def opened(self) -> bool:
        """Whether `place` wants the files inside the artifact, as of a wheel, or the artifact as it is: one member
        without a name, even where its bytes happen to be a container."""

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        """Put the artifact's files into the room. `contents` reads them from the start, as often as it is called. Raises
        IntegrityError where they are not what their format demands."""
