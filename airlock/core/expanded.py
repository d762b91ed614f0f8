"""Expanded forms: an artifact's raw contents plus a small recipe that restores it to the bit (DESIGN: the engine).

A form is one codec behind a versioned name. The encoder proves, the decoder obeys: `expand` returns a form only after its
decoder restored the very bytes, and the decoder has no heuristics.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from airlock.core.codecs import SETS
from airlock.core.digest import chunks_of
from airlock.errors import IntegrityError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

PORTABLE = SETS["portable/1"]
"""The stream encoders that Python and airlock's dependencies have."""
REVISION = 5
"""Grows whenever `expand` may write other bytes than before for one original; caches depend on it."""


class Member(NamedTuple):
    """One file inside an artifact. `chunks` end when the next member is asked for."""

    name: str
    """As the container spells it, unchecked; empty where the artifact is itself the file."""
    size: int
    """Bytes, -1 where they must be made before they are counted."""
    mode: int
    """Permission bits, 0 where the container has none."""
    chunks: Iterator[bytes]
    offset: int | None = None
    """Where in the expanded form these bytes stand, in one piece; None where they must be made of others."""
    record: "DerivedRecord | None" = None
    """Of a wheel's RECORD that is made of the files in front of it: what it says, without hashing them."""
    gzip: "GzipJob | None" = None
    """Of a gzip file that the native crate makes of one part of the expanded form."""
    unpacked: Iterator[bytes] | None = None
    """Of a compressed file whose encoder is slow: its content, as it stands in the expanded form, to be read in the place of
    `chunks`. None where only decompressing would tell."""
    earlier: "Splice | None" = None
    """How it follows from the file of that name in what the expanded form was patched from, if that is known."""


class GzipJob(NamedTuple):
    """What `make_gzip` of the native crate is told."""

    offset: int
    """Where in the expanded form the content stands."""
    size: int
    level: int
    corrections: bytes | None
    """None where zlib itself makes the stream."""
    header: bytes
    trailing: bytes


class Splice(NamedTuple):
    """A file as another one with other bytes at its ends: without any, the very same."""

    front: int = 0
    """Bytes that `head` stands in the place of."""
    head: bytes = b""
    back: int = 0
    """Bytes that `tail` stands in the place of."""
    tail: bytes = b""

    def of(self, data: bytes) -> bytes | None:
        """None where there are fewer bytes than are replaced."""
        end = len(data) - self.back
        return self.head + data[self.front : end] + self.tail if self.front <= end else None


SAME = Splice()


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedRecord:
    names: frozenset[str]
    """Files whose rows say what the files are, by construction."""
    rest: bytes
    """The other lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What an original was expanded to."""

    form: str
    codecs: tuple[str, ...] = ()
    """Sorted names of the container codecs and stream encoders that restore the original."""
    file_codecs: tuple[str, ...] = ()
    """Those of them that are needed for the files inside alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Bytes of what is no content in an expanded form."""

    recipe: int = 0
    structure: int = 0
    corrections: int = 0
    opaque: Mapping[str, int] = field(default_factory=dict)
    """Compressed streams that stay as they are for want of an encoder, by their names in the expanded form."""


class Form(Protocol):
    @property
    def name(self) -> str:
        """Family and version, as `tree/1`."""

    def expand(self, original: BinaryIO, expanded: BinaryIO, codecs: frozenset[str]) -> Expansion | None:
        """Write the expanded form of a seekable stream to a seekable one, with those stream encoders only. None, where this
        form cannot restore it exactly; what was written is then to be thrown away."""

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        """Write the original. Reads `expanded` from the start, once, in bounded memory. Raises IntegrityError, or
        TargetError where an encoder on this machine writes other bytes. The caller compares the original's digest: what
        was written is worth nothing before that."""

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        """The files inside, in the order of the expanded form, which must be seekable. What is not read of one costs little, and reading a derived
        RECORD costs a pass over the files in front of it. Raises IntegrityError."""

    def splices(self, before: BinaryIO, after: BinaryIO) -> Mapping[str, Splice]:
        """Of two expanded forms of this kind, both seekable: the files that must be made and that both make of the same bytes
        in the same way, by name, and how one follows from the other. Raises IntegrityError."""

    def costs(self, expanded: BinaryIO) -> Costs:
        """Raises IntegrityError."""


class RawForm:
    """The original itself."""

    name = "raw/1"

    def expand(self, original: BinaryIO, expanded: BinaryIO, codecs: frozenset[str]) -> Expansion:
        for chunk in chunks_of(original):
            expanded.write(chunk)
        return Expansion(form=self.name)

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        for chunk in chunks_of(expanded):
            original.write(chunk)

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        yield Member(name="", size=-1, mode=0, chunks=chunks_of(expanded))

    def splices(self, before: BinaryIO, after: BinaryIO) -> Mapping[str, Splice]:
        return {}

    def costs(self, expanded: BinaryIO) -> Costs:
        return Costs()


def forms() -> tuple[Form, ...]:
    """Every form, the most telling first; the last takes anything."""
    from airlock.core.forms.tree import TreeForm

    return (TreeForm(), RawForm())


def expand(original: BinaryIO, expanded: BinaryIO, codecs: frozenset[str] = PORTABLE) -> Expansion:
    """Write the best exact form of `original` to `expanded`, both seekable, from their starts."""
    for form in forms():
        original.seek(0)
        expanded.seek(0)
        expanded.truncate()
        if (found := form.expand(original, expanded, codecs)) is not None:
            return found
    raise AssertionError("the last form takes anything")


def rebuild_whole(form: Form, expanded: BinaryIO, original: BinaryIO, size: int, where: str) -> None:
    """`form.rebuild`, which may write `size` bytes at most. Raises IntegrityError that names `where`."""
    form.rebuild(expanded, cast("BinaryIO", _AtMost(original, size, where)))


class _AtMost(io.RawIOBase):
    """Writes that many bytes to a stream and not one more."""

    def __init__(self, out: BinaryIO, size: int, where: str) -> None:
        self._out, self._size, self._left, self._where = out, size, size, where

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer") -> int:
        size = len(memoryview(data))
        if size > self._left:
            raise IntegrityError(
                self._where, "rebuilt to other bytes", expected=f"{self._size} bytes", found="more"
            )
        self._left -= size
        return self._out.write(data)


def form_named(name: str, where: str) -> Form:
    """Raises IntegrityError that names `where` for a form that this airlock does not know."""
    for form in forms():
        if form.name == name:
            return form
    known = ", ".join(form.name for form in forms())
    raise IntegrityError(
        where, "unknown expanded form", expected=f"one of {known}", found=repr(name), hint="update airlock"
    )
