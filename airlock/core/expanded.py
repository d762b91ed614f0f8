"""Expanded forms: an artifact's raw contents plus a small recipe that restores it to the bit (DESIGN: the engine).

A form is one codec behind a versioned name. The encoder proves, the decoder obeys: `expand` returns a form only after its
decoder restored the very bytes, and the decoder has no heuristics.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from airlock.core.digest import chunks_of
from airlock.errors import IntegrityError

REVISION = 2
"""Grows whenever `expand` may write other bytes than before for one original; caches depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file inside an artifact. `chunks` end when the next member is asked for."""

    name: str
    """As the container spells it, unchecked; empty where the artifact is itself the file."""
    size: int
    """Bytes."""
    mode: int
    """Permission bits, 0 where the container has none."""
    chunks: Iterator[bytes]


class Form(Protocol):
    @property
    def name(self) -> str:
        """Codec and version, as `zip/1`."""

    def expand(self, original: BinaryIO, expanded: BinaryIO) -> bool:
        """Write the expanded form of a seekable stream to a seekable one. False, where this codec cannot restore it
        exactly; what was written is then to be thrown away."""

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        """Write the original to an empty seekable stream. Reads `expanded` from the start, once, in bounded memory.
        Raises IntegrityError, or TargetError where an encoder on this machine writes other bytes. The caller compares the
        original's digest: what was written is worth nothing before that."""

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        """The files inside, in the order of the expanded form. Raises IntegrityError."""

    def opaque(self, expanded: BinaryIO) -> int:
        """Bytes of compressed streams that stay as they are, for want of an encoder. Raises IntegrityError."""


class RawForm:
    """The original itself."""

    name = "raw/1"

    def expand(self, original: BinaryIO, expanded: BinaryIO) -> bool:
        for chunk in chunks_of(original):
            expanded.write(chunk)
        return True

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        for chunk in chunks_of(expanded):
            original.write(chunk)

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        yield Member(name="", size=-1, mode=0, chunks=chunks_of(expanded))

    def opaque(self, expanded: BinaryIO) -> int:
        return 0


def forms() -> tuple[Form, ...]:
    """Every form, the most telling first; the last takes anything."""
    from airlock.core.zip_form import ZipForm

    return (ZipForm(), RawForm())


def expand(original: BinaryIO, expanded: BinaryIO) -> str:
    """Write the best exact form of `original` to `expanded`, both seekable, from their starts; returns the form's name."""
    for form in forms():
        original.seek(0)
        expanded.seek(0)
        expanded.truncate()
        if form.expand(original, expanded):
            return form.name
    raise AssertionError("the last form takes anything")


def form_named(name: str, where: str) -> Form:
    """Raises IntegrityError that names `where` for a form that this airlock does not know."""
    for form in forms():
        if form.name == name:
            return form
    known = ", ".join(form.name for form in forms())
    raise IntegrityError(
        where, "unknown expanded form", expected=f"one of {known}", found=repr(name), hint="update airlock"
    )
