"""What a container codec is: one format that is taken apart into parts, and put together again to the bit.

A codec opens optimistically and says what it found; the framework (`tree`) proves it by building again, looks for
containers in its parts, and writes all of it down. Building obeys: it has no heuristics, keeps limits, and raises
IntegrityError for everything that `open` would not have said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from airlock.core.fields import Fields
from airlock.errors import IntegrityError

Chunks = Iterator[bytes]
CodecSet = frozenset[str]
"""Names of the stream encoders that may be used, as `zlib/1` and `lzma/1`."""

MAX_STRUCTURE = 64 << 20
MAX_CORRECTIONS = 64 << 20
MAX_PARTS = 200_000
"""In one expanded form, all containers together."""
MAX_MADE = 1 << 27
"""Bytes that all containers of one expanded form may make out of a few: headers, and zeros at the end."""
MAX_CONTENT = 1 << 40
"""Bytes of one part."""
IN_MEMORY = 32 << 20
"""Bytes above which what must be held back while building goes to a temporary file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What structure and recipe tell of one part."""

    name: str
    """As the container spells it, unchecked; empty in containers of one nameless content."""
    opaque: bool = False
    """Whether the part is a compressed stream that nobody here makes again: kept as it is, and not looked into."""
    size: int = 0
    """Bytes of an opaque part's content."""
    mode: int = 0
    """Permission bits, 0 where the container has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One content of a container at hand."""

    size: int
    """Bytes that `read` gives."""
    read: Callable[[], Chunks]
    """From the start, as often as it is called; two readers may take turns. Raises IntegrityError where the container is
    damaged. For an opaque slot the compressed stream."""
    head: bytes | None = None
    """The first HEAD bytes of what `read` gives (fewer where there are fewer), if they are at hand anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    recipe: Mapping[str, Any]
    """For canonical JSON: what cannot be told from the structure, in its shortest spelling."""
    structure: bytes
    """Headers and whatever else is no content, with fields that follow from the contents zeroed."""
    parts: Sequence[Part]
    """One for each slot that `parse` gives, in the same order."""
    corrections: bytes = b""


class Container(Protocol):
    """A container's recipe and structure, parsed and checked."""

    @property
    def slots(self) -> Sequence[Slot]:
        """The parts, in the order in which they are read and built."""

    @property
    def encoders(self) -> CodecSet:
        """Stream encoders that `build` needs, as `zlib/1`."""

    @property
    def made(self) -> int:
        """Bytes that `build` makes which neither the structure nor a part has."""

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        """The container's bytes, which do not depend on where parts are cut. Takes parts one after the other, each to its end before the next is asked for, in bounded
        memory (see `spool.held_back`). Raises IntegrityError, or TargetError where an encoder at hand writes other bytes."""

    def content(self, number: int, opaque: Chunks) -> Chunks:
        """What the opaque part `number` holds once it is decompressed. Raises IntegrityError."""


class Room:
    """Bytes that contents may still take while one artifact is taken apart, all its containers together, whether they
    are opened in the end or not."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Raises IntegrityError where there is no room for so many."""
        self.left -= size
        if self.left < 0:
            raise IntegrityError("taking apart", "contents that are too large for their artifact")

    def size_of(self, chunks: Chunks) -> int:
        """Bytes of all chunks, which are taken as they pass. Raises IntegrityError."""
        size = 0
        for chunk in chunks:
            self.take(len(chunk))
            size += len(chunk)
        return size


class Codec(Protocol):
    @property
    def name(self) -> str:
        """Format and version, as `gzip/1`."""

    def matches(self, head: bytes) -> bool:
        """Whether a file that begins with `head` (HEAD bytes, or the whole file if it is shorter) may be one. Cheap."""

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        """Take a seekable stream apart; None where it is not a container of this format that can be restored. Unproven:
        where it is not `thorough`, the choice of an encoder may rest on a stream's first bytes. The parts go on reading
        `original`. What is decompressed takes `room` first: a container for which there is none stays closed."""

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> Container:
        """Raises IntegrityError for everything but the one spelling that `open` gives. The codec asks `recipe` for its
        keys and calls `done`."""


HEAD = 512
"""Bytes that `Codec.matches` is given."""
