"""What airlock can carry. A kind answers: what was asked, what does that pin, where are the bytes, which files does it
put on the target. Code outside this package never mentions a kind by name; `registry.py` lists them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol, runtime_checkable

from airlock.core.artifact import Activation, Artifact
from airlock.core.digest import Digest
from airlock.core.expanded import Member, Splice
from airlock.core.graph import Graph
from airlock.core.paths import SafePath
from airlock.core.reporter import Reporter
from airlock.core.target import Target
from airlock.core.tree import FileEntry
from airlock.core.web import Web
from airlock.formats.lockfile import Cutoff, LockedArtifact, Lockfile
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
    locked: tuple[LockedArtifact, ...] = ()
    """Everything that the lock at hand has, where one is fetched from: what is built again is built with its tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRequest:
    manifest: Manifest
    where: str
    """The manifest's file name, for messages."""
    near: NearSide
    previous: Lockfile | None
    upgrade: Upgrade
    cutoff: Cutoff | None = None
    """The answer of `Packages.cutoff`."""
    exhaustive: bool = False
    """Take no short cut past releases that are likely in vain."""
    now: datetime | None = None
    """What expiry is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where a kind reads what its pinned artifacts say of themselves, the cheapest place first: a cache, the store, and
    only then the network."""

    cache: Path
    store: Store
    near: Callable[[], NearSide]
    """Opens the network when it is called. Raises FetchError where there is to be none."""
    contents: Callable[[Artifact], Iterator[Member]] | None = None
    """Reads the files inside an artifact of a bundle, which then needs neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock or a bundle, and the manifest that it answers, if that is at hand. `where` names the file that holds it."""

    lockfile: Lockfile
    where: str
    manifest: Manifest | None = None
    manifest_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """One pin of one or more targets that could be newer. Versions; empty where there is none."""

    name: str
    locked: str
    targets: tuple[str, ...]
    allowed: str
    """The newest that the target could take within the cutoff, whatever the requirements say."""
    newest: str
    """The newest that the target could take if there were no cutoff."""
    yanked: str | None
    """Why the locked file was withdrawn by its authors; None where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file for another installer."""

    form: Literal["pylock", "requirements"]
    folder: str | None
    """Where the originals are, relative to the file and with slashes, empty for beside it; None for where their index has
    them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What another resolver chose instead. Versions; empty where one of the two has none."""

    name: str
    target: str
    ours: str
    theirs: str


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
    link: Callable[[SafePath, str], None]
    """`link(path, target)` creates one symbolic link. The kind sees to it that it leads nowhere outside; nothing is ever
    written through it."""
    take_over: Callable[[Sequence["Earlier"]], list[FileEntry | None]] = lambda files: [None] * len(files)
    """Put files into the room that follow from those at the same paths of the generation in use (`Member.earlier`): as other
    names of them, where they are the same. None for each where that cannot be: nothing is there then, and it is to be
    written."""


class Earlier(NamedTuple):
    """A file that follows from the one that the artifact's predecessor put at the same path."""

    path: SafePath
    mode: int
    splice: Splice


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

    def opens(self, artifact: Artifact) -> bool:
        """Whether `place` wants the files inside the artifact, as of a wheel, or the artifact as it is: one member
        without a name, even where its bytes happen to be a container."""

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        """Put the artifact's files into the room. `contents` reads them from the start, as often as it is called. Raises
        IntegrityError where they are not what their format demands."""


@runtime_checkable
class Trees(Protocol):
    """What a kind can do besides that builds from directories."""

    def trees(self, manifest: Manifest, where: str, directory: Path) -> Mapping[str, Digest]:
        """A digest of each directory that decides what `pin` answers, by the key of the manifest that names it, as
        `python.source`. `fingerprint` leaves them out. Must not touch the network. Raises UsageError."""


@runtime_checkable
class Activates(Protocol):
    """What a kind can do besides where something outside the generation is to take up what it places."""

    def activation(self, artifacts: Sequence[Artifact]) -> tuple[Activation, ...]:
        """What is to be run after the switch, in that order, for everything of this kind that one target gets. It becomes a
        part of the bundle's index, which is signed: the far side runs what it finds there, and knows no kind."""


@runtime_checkable
class Assembles(Protocol):
    """What a kind can do besides whose artifacts are parts of something that stock tools take as one file."""

    def assemble(
        self, name: str, artifacts: Sequence[Artifact], read: Callable[[Artifact], BinaryIO], out: BinaryIO
    ) -> None:
        """Write what is called `name`, of everything of this kind that one target gets; always the same bytes. `read` opens
        the original of an artifact, which was checked. Raises UsageError where nothing is called so, IntegrityError."""


@runtime_checkable
class Watches(Protocol):
    """What a kind can do besides where what was pinned may have become something else meanwhile."""

    def newer(self, locked: Locked, near: NearSide) -> tuple[Newer, ...]:
        """Every pin that could be newer or was withdrawn. Raises FetchError."""


@runtime_checkable
class Packages(Watches, Protocol):
    """What a kind can do besides where its artifacts have versions, need each other, and come from an index."""

    def cutoff(
        self, manifest: Manifest, where: str, previous: Cutoff | None, now: datetime | None
    ) -> Cutoff | None:
        """The instant after which nothing exists. `previous` stays where it says the same as the manifest; `now` is None
        where the clock must not be asked."""

    def graphs(self, locked: Locked, library: Library) -> tuple[Graph, ...]:
        """Who needs what on each target. Raises FetchError or IntegrityError."""

    def problems(self, locked: Locked, library: Library) -> tuple[str, ...]:
        """What keeps the pins from answering the manifest on their targets: a sentence each. Raises FetchError or
        IntegrityError."""

    def exported(self, locked: Locked, target: Target, export: Export, library: Library) -> bytes:
        """The pins of one target, in the words of another installer. Raises UsageError or FetchError."""

    def second_opinion(self, locked: Locked, library: Library) -> tuple[Disagreement, ...]:
        """Where another resolver, on the same inputs, comes to something else, for each target that this machine can stand
        for. Raises UsageError where there is none, ResolutionError where the other has no answer."""
