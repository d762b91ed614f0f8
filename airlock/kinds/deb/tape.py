"""A `data.tar` on its way to tarfile, each header looked at before.

To tarfile a header that is none ends the archive, and what stands behind it is lost; it reads a name of any length into memory;
and which of its methods see a header differs between the patch releases of one Python. So this stands before it, and rests on
nothing in it.
"""

from collections.abc import Iterator

from airlock.core.forms.tar_headers import BLOCK, EXTENSIONS, Extensions, is_header, kind_of, size_of
from airlock.errors import IntegrityError
from airlock.kinds.deb.compressed import PIECE, Chunks

MAX_NAMES = 1 << 20
"""Bytes in front of one entry that say what its header has no room for."""


def checked(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    """The same bytes. Raises IntegrityError for a header that is none, one without its content, names that are too long, and
    where the mark of the end is missing."""
    stream, place = Chunks(chunks), f"{where}: its data.tar"
    extensions, names = Extensions(place), 0
    while any(block := stream.read(BLOCK)):
        if not is_header(block):
            raise damaged(where, "truncated header" if len(block) < BLOCK else "a header that is none")
        yield block
        if kind_of(block) in EXTENSIONS:
            size = size_of(block, place)
            if (names := names + size) > MAX_NAMES:
                raise damaged(where, f"names and attributes of {names} bytes")
            content = b"".join(_content(stream, size, where))
            extensions.take(kind_of(block), content[:size])
            yield content
        else:
            names = 0
            yield from _content(stream, extensions.file(block).size, where)
    if len(block) < BLOCK:
        raise damaged(where, "unexpected end")
    while block:
        yield block
        block = stream.read(PIECE)


def _content(stream: Chunks, size: int, where: str) -> Iterator[bytes]:
    """What follows a header, padding included."""
    left = size + -size % BLOCK
    while left:
        if not (piece := stream.read(min(PIECE, left))):
            raise damaged(where, "unexpected end")
        left -= len(piece)
        yield piece


def damaged(where: str, what: str) -> IntegrityError:
    return IntegrityError(where, f"its data.tar is damaged, {what}")
