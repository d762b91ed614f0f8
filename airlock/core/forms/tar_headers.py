"""The 512 byte headers of a tar (POSIX.1-2001 ustar and pax, GNU, and the older ones), kept as shorter records.

A record is a header without the fields that are zero in all headers of the tar; a checksum in its usual spelling follows
from the rest and is zero. All records of a tar are equally long, so that those of two versions of it differ in few places: against
columns of each field, or records of varying length, deltas came out half as large.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from airlock.core.forms.codec import MAX_CONTENT
from airlock.errors import IntegrityError

BLOCK = 512
EXTENSIONS = b"xgLK"
"""Types whose content tells of another header: pax, pax for all that follow, GNU long name and long link."""
_WIDTHS = (100, 8, 8, 8, 12, 12, 8, 1, 100, 8, 32, 32, 8, 8, 155, 12)
_FIELDS = tuple(
    slice(start, start + width) for start, width in zip(accumulate(_WIDTHS, initial=0), _WIDTHS, strict=False)
)
_NAME, _MODE, _SIZE, _SUM = slice(0, 100), slice(100, 108), slice(124, 136), slice(148, 156)
_TYPE, _PREFIX = slice(156, 157), slice(345, 500)
_NO_SUM, _EMPTY_SUM = bytes(8), 8 * ord(" ")
_WITHOUT_CONTENT = b"123456"
"""Links, devices, directories and pipes: nothing follows, whatever their size field says."""
_SPARSE = b"S"
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_BASE_256 = 0x80


class Records:
    """Headers on their way to records."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._used = [False] * len(_FIELDS)

    @property
    def count(self) -> int:
        return len(self._blocks)

    def append(self, block: bytes) -> None:
        """Raises IntegrityError where the checksum is not that of a header."""
        total = _sum_of(block)
        if _octal(block[_SUM]) != total:
            raise IntegrityError("tar", "not a tar header")
        if block[_SUM] == _spelled(total):
            block = block[: _SUM.start] + _NO_SUM + block[_SUM.stop :]
        self._blocks.append(block)
        self._used = [used or any(block[field]) for used, field in zip(self._used, _FIELDS, strict=True)]

    @property
    def empty(self) -> list[int]:
        """Numbers of the fields that no record holds."""
        return [number for number, used in enumerate(self._used) if not used]

    def tobytes(self) -> bytes:
        fields = [field for used, field in zip(self._used, _FIELDS, strict=True) if used]
        return b"".join(block[field] for block in self._blocks for field in fields)


class Headers:
    """Records on their way back to headers: `for block in headers`, as often as asked. `size` is the length of all `count`
    records in bytes.

    Raises IntegrityError where the records are not what `Records` writes.
    """

    def __init__(self, structure: bytes, count: int, empty: Sequence[int], where: str) -> None:
        if list(empty) != sorted(set(empty) & set(range(len(_FIELDS)))):
            raise IntegrityError(where, "not the numbers of a tar header's fields")
        self._where, self._structure, self._empty = where, structure, empty
        self._record = BLOCK - sum(_WIDTHS[number] for number in empty)
        self.count, self.size = count, count * self._record
        if not self._record or self.size > len(structure):
            raise IntegrityError(where, "the tar's structure is truncated")

    def __iter__(self) -> Iterator[bytes]:
        used = [False] * len(_FIELDS)
        for at in range(0, self.size, self._record):
            block = self._block(self._structure[at : at + self._record])
            used = [seen or any(block[field]) for seen, field in zip(used, _FIELDS, strict=True)]
            yield self._with_sum(block)
        if [number for number, seen in enumerate(used) if not seen] != list(self._empty):
            raise IntegrityError(self._where, "a tar header's field that no header holds is written down")

    def _block(self, record: bytes) -> bytes:
        pieces, at = [], 0
        for number, width in enumerate(_WIDTHS):
            if number in self._empty:
                pieces.append(bytes(width))
            else:
                pieces.append(record[at : at + width])
                at += width
        return b"".join(pieces)

    def _with_sum(self, block: bytes) -> bytes:
        total = _sum_of(block)
        if block[_SUM] == _NO_SUM:
            return block[: _SUM.start] + _spelled(total) + block[_SUM.stop :]
        if block[_SUM] == _spelled(total) or _octal(block[_SUM]) != total:
            raise IntegrityError(
                self._where, "a checksum that follows from its header is written down, or is wrong"
            )
        return block


def _sum_of(block: bytes) -> int:
    return sum(block) - sum(block[_SUM]) + _EMPTY_SUM


def _spelled(total: int) -> bytes:
    return b"%06o\0 " % total


def _octal(field: bytes) -> int | None:
    found = _OCTAL.fullmatch(field)
    return int(found[1] or b"0", 8) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What a header and its extensions say of one entry."""

    name: str
    mode: int
    size: int
    """Bytes that follow the header, without padding."""


class Extensions:
    """What the extension headers read so far say of the entry that comes next."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._name: bytes | None = None
        self._size: int | None = None

    def take(self, kind: bytes, content: bytes) -> None:
        """Read the content of one of EXTENSIONS. Raises IntegrityError for what would change how the tar is read here."""
        if kind == b"L":
            self._name = content.rstrip(b"\0")
        elif kind in b"xg":
            for key, value in _pax_records(content, self._where):
                self._record(kind, key, value)

    def _record(self, kind: bytes, key: bytes, value: bytes) -> None:
        if key.startswith(b"GNU.sparse.") or (kind == b"g" and key in (b"size", b"path")):
            raise IntegrityError(self._where, "a sparse file, or a name or size for all files")
        if key == b"path":
            self._name = value
        elif key == b"size":
            if not re.fullmatch(rb"[0-9]{1,20}", value):
                raise IntegrityError(self._where, "a size that is not a number")
            self._size = int(value)

    def file(self, block: bytes) -> File:
        """The entry that `block` begins; what was read of extensions is then used up."""
        kind = block[_TYPE]
        if kind == _SPARSE:
            raise IntegrityError(self._where, "a sparse file")
        size = size_of(block, self._where) if self._size is None else self._size
        if size > MAX_CONTENT:
            raise IntegrityError(self._where, "an impossible size", expected=f"at most {MAX_CONTENT} bytes")
        name = _name_of(block) if self._name is None else self._name
        self._name = self._size = None
        return File(
            name=name.decode("utf-8", "backslashreplace").removeprefix("./").lstrip("/"),
            mode=(_octal(block[_MODE]) or 0) & 0o777,
            size=0 if kind in _WITHOUT_CONTENT else size,
        )


def kind_of(block: bytes) -> bytes:
    """One byte."""
    return block[_TYPE]


def size_of(block: bytes, where: str) -> int:
    """The size field, octal or base 256. Raises IntegrityError."""
    field = block[_SIZE]
    size = int.from_bytes(field[1:], "big") if field[0] == _BASE_256 else _octal(field)
    if size is None or size > MAX_CONTENT:
        raise IntegrityError(where, "an impossible size", expected=f"at most {MAX_CONTENT} bytes")
    return size


def is_header(block: bytes) -> bool:
    return len(block) == BLOCK and any(block) and _octal(block[_SUM]) == _sum_of(block)


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _name_of(block: bytes) -> bytes:
    name = block[_NAME].split(b"\0")[0]
    prefix = block[_PREFIX].split(b"\0")[0] if block[257:265] == b"ustar\x0000" else b""
    return prefix + b"/" + name if prefix else name


def _pax_records(content: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, the length in bytes and of the whole record (POSIX.1-2001, pax)."""
    at = 0
    while at < len(content):
        found = re.compile(rb"([1-9][0-9]{0,8}) ([^=]+)=").match(content, at)
        stop = at + int(found[1]) if found else 0
        if not found or not found.end() < stop <= len(content) or content[stop - 1 : stop] != b"\n":
            raise IntegrityError(where, "a damaged pax header")
        yield found[2], content[found.end() : stop - 1]
        at = stop
