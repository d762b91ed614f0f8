"""The container of bundles and deltas: an ordinary tar that has exactly one spelling.

Members are plain files, mode 0644, owner 0, time 0, names of at most 99 ASCII characters, in the order in which they are
read. The reader accepts no header that the writer would not have written, so links, devices, sparse files and every other
tar oddity are refused by comparison, not by a list.
"""

import io
import re
import tarfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType
from typing import BinaryIO

from airlock.core.digest import chunks_of
from airlock.errors import IntegrityError
from airlock.formats.index import INDEX
from airlock.storage.mistaken import LOOKED_AT, mistaken_for

BLOCK = tarfile.BLOCKSIZE
MAX_MEMBERS = 100_000
_NAME = re.compile(r"(?=.{1,99}\Z)[a-z0-9][a-zA-Z0-9._-]*(/[a-zA-Z0-9][a-zA-Z0-9._-]*)*", re.ASCII)
END = bytes(2 * BLOCK)


def member_header(name: str, size: int) -> bytes:
    """The block that stands before a member's bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def padding_of(size: int) -> int:
    """How many zero bytes follow a member of `size` bytes."""
    return -size % BLOCK


class ArchiveWriter:
    """Writes members one after the other; `close` ends the archive."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._names: set[str] = set()

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        if not _NAME.fullmatch(name) or name in self._names:
            raise ValueError(f"not a member name, or written twice: {name!r}")
        self._names.add(name)
        self._out.write(member_header(name, size))
        written = 0
        for chunk in chunks:
            self._out.write(chunk)
            written += len(chunk)
        if written != size:
            raise ValueError(f"{name}: announced {size} bytes, wrote {written}")
        self._out.write(bytes(padding_of(size)))

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, len(data), [data])

    def close(self) -> None:
        self._out.write(END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a member's bytes lie."""

    offset: int
    size: int


def layout(sizes: Mapping[str, int], where: str) -> tuple[dict[str, Span], int]:
    """Where each member will lie, in their order, and the size of the whole archive, in bytes. Raises IntegrityError for
    names that no archive has."""
    spans: dict[str, Span] = {}
    offset = 0
    for name, size in sizes.items():
        if not _NAME.fullmatch(name) or len(sizes) > MAX_MEMBERS:
            raise IntegrityError(where, "no archive has such a member", found=repr(name[:120]))
        spans[name] = Span(offset=offset + BLOCK, size=size)
        offset += BLOCK + size + padding_of(size)
    return spans, offset + len(END)


def rewrite(
    archive: "Archive", trust: Mapping[str, bytes], out: BinaryIO, without: Collection[str] = ()
) -> None:
    """Copy `archive` to `out` with these members below `trust/` as well, or in place of its own. They follow the index,
    sorted."""
    writer = ArchiveWriter(out)
    carried = {name for name in archive.members if name.startswith("trust/")}
    for name in (name for name in archive.members if name not in carried):
        _copy(archive, name, writer)
        if name == INDEX:
            for member in sorted((carried | trust.keys()) - set(without)):
                if member in trust:
                    writer.add_bytes(member, trust[member])
                else:
                    _copy(archive, member, writer)
    writer.close()


def _copy(archive: "Archive", name: str, writer: ArchiveWriter) -> None:
    with archive.open(name) as stream:
        writer.add(name, archive.members[name].size, chunks_of(stream))


class Archive:
    """A seekable stream read as an archive. Every header is checked at once; contents are not. Reading ends at the header of
    the member `last`, if one is named: whether its bytes and what should follow are there is then the caller's to check.

    Raises IntegrityError that names `where` and the offset of the first byte that is not as it must be.
    """

    def __init__(self, stream: BinaryIO, where: str, last: str | None = None) -> None:
        self._stream, self.where, self._last = stream, where, last
        self._lock = Lock()
        self.members: Mapping[str, Span] = MappingProxyType(self._scan())

    def _scan(self) -> dict[str, Span]:
        total = self._stream.seek(0, io.SEEK_END)
        self._check_start()
        members: dict[str, Span] = {}
        offset = 0
        while (header := self._read(offset, BLOCK)) != bytes(BLOCK):
            name, size = self._parse(header, offset)
            end = offset + BLOCK + size + padding_of(size)
            if name == self._last and name not in members:
                return members | {name: Span(offset=offset + BLOCK, size=size)}
            if end > total:
                raise self._fault(f"member {name}", "truncated", f"{end} bytes or more", f"{total} bytes")
            if name in members or len(members) == MAX_MEMBERS:
                raise self._fault(f"byte {offset}", f"member {name} stands twice, or there are too many")
            members[name] = Span(offset=offset + BLOCK, size=size)
            if any(self._read(offset + BLOCK + size, padding_of(size))):
                raise self._fault(f"byte {offset + BLOCK + size}", "padding is not zero")
            offset = end
        if offset + len(END) != total or self._read(offset, len(END)) != END:
            raise self._fault(
                f"byte {offset}", "bad end of archive", f"{offset + len(END)} bytes in all", f"{total}"
            )
        return members

    def _check_start(self) -> None:
        self._stream.seek(0)
        if what := mistaken_for(self._stream.read(LOOKED_AT)):
            what, _, way_on = what.partition("; ")
            raise IntegrityError(self.where, f"{what}, not a bundle, delta or volume", hint=way_on or None)

    def _read(self, offset: int, size: int) -> bytes:
        self._stream.seek(offset)
        data = self._stream.read(size)
        if len(data) != size:
            raise self._fault(f"byte {offset + len(data)}", "truncated")
        return data

    def _parse(self, header: bytes, offset: int) -> tuple[str, int]:
        try:
            info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            regular = (
                _NAME.fullmatch(info.name)
                and info.size >= 0
                and member_header(info.name, info.size) == header
            )
        except (tarfile.HeaderError, ValueError) as error:
            raise self._fault(f"byte {offset}", f"not an archive header, {error}") from error
        if not regular:
            raise self._fault(f"byte {offset}", "not a header that airlock writes")
        return info.name, info.size

    def _fault(
        self, place: str, what: str, expected: str | None = None, found: str | None = None
    ) -> IntegrityError:
        hint = "copy the file again, and compare its sha256sum with the sender's"
        return IntegrityError(f"{self.where}: {place}", what, expected=expected, found=found, hint=hint)

    def open(self, name: str) -> BinaryIO:
        """The member's bytes. Raises IntegrityError where there is no such member."""
        if (span := self.members.get(name)) is None:
            raise self._fault(f"member {name}", "missing")
        return part_of(self._stream, span, self._lock)

    def read(self, name: str, limit: int) -> bytes:
        """A small member, whole. Raises IntegrityError where it is absent or larger than `limit` bytes."""
        with self.open(name) as stream:
            if self.members[name].size > limit:
                size = self.members[name].size
                raise self._fault(f"member {name}", "too large", f"at most {limit} bytes", f"{size} bytes")
            return stream.read()


def part_of(stream: BinaryIO, span: Span, lock: "Lock | None" = None, *, owned: bool = False) -> BinaryIO:
    """A part of a seekable stream as a stream of its own. Those that share one share its lock; one that owns it closes it."""
    return io.BufferedReader(_Window(stream, span, lock or Lock(), owned), 1 << 18)


class _Window(io.RawIOBase):
    """A part of a shared stream, with a position of its own."""

    def __init__(self, stream: BinaryIO, span: Span, lock: Lock, owned: bool) -> None:
        self._stream, self._span, self._lock, self._position = stream, span, lock, 0
        self._owned = owned

    def close(self) -> None:
        if self._owned:
            self._stream.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._span.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readall(self) -> bytes:
        """What is left, in one piece and without a copy."""
        size = max(0, self._span.size - self._position)
        with self._lock:
            self._stream.seek(self._span.offset + self._position)
            data = self._stream.read(size)
        self._position += len(data)
        return data

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        view = memoryview(buffer)[: max(0, self._span.size - self._position)]
        with self._lock:
            self._stream.seek(self._span.offset + self._position)
            data = self._stream.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
