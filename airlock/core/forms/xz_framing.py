"""The framing of .xz files (The .xz File Format 1.1.0): stream header, block headers, index, footer.

Only files of one stream whose blocks have LZMA2 as their one filter.
"""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from airlock.core.forms.codec import MAX_CONTENT
from airlock.errors import IntegrityError

MAGIC = b"\xfd7zXZ\0"
FOOTER_MAGIC = b"YZ"
FRAME = 12
"""Bytes of the stream header, and of the footer."""
CHECK_SIZES = {0: 0, 1: 4, 4: 8, 10: 32}
"""Bytes of none, CRC32, CRC64 and SHA-256."""
MAX_BLOCKS = 10_000
_MAX_INDEX = 1 << 20
_MAX_HEADER = 1024
_LZMA2 = b"\x21\x01"
_HAS_SIZES = 0xC0
_WHERE = "xz"


class Record(NamedTuple):
    """One block in the index: bytes of header, data and check without padding, and bytes of its content."""

    unpadded: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHeader:
    length: int
    """Bytes."""
    has_sizes: bool
    dictionary: int
    """LZMA2's property byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    check: int
    records: tuple[Record, ...]
    starts: tuple[int, ...]
    """Offset of each block."""
    headers: tuple[BlockHeader, ...]

    @property
    def size(self) -> int:
        return sum(record.size for record in self.records)


def read_stream(original: BinaryIO) -> Stream:
    """What an .xz file says of itself; nothing is decompressed. Raises IntegrityError for everything but one stream of
    LZMA2 that fills the file."""
    total = original.seek(0, io.SEEK_END)
    head, tail = _read(original, 0, FRAME), _read(original, max(0, total - FRAME), FRAME)
    check = head[7]
    if head != stream_header(check) or check not in CHECK_SIZES:
        raise _fault("not a stream header")
    length = (int.from_bytes(tail[4:8], "little") + 1) * 4
    if tail != footer(length, check) or not 8 <= length <= min(_MAX_INDEX, total - 2 * FRAME):
        raise _fault("not a footer behind an index")
    records = read_index(_read(original, total - FRAME - length, length))
    starts = [FRAME]
    for record in records:
        starts.append(starts[-1] + record.unpadded + -record.unpadded % 4)
    if starts[-1] != total - FRAME - length or sum(record.size for record in records) > MAX_CONTENT:
        raise _fault("the index is not that of the blocks")
    headers = tuple(
        _read_block_header(_read(original, start, _MAX_HEADER), record, CHECK_SIZES[check])
        for start, record in zip(starts, records, strict=False)
    )
    return Stream(check=check, records=records, starts=tuple(starts[:-1]), headers=headers)


def stream_header(check: int) -> bytes:
    flags = bytes((0, check))
    return MAGIC + flags + _crc(flags)


def footer(index_length: int, check: int) -> bytes:
    body = (index_length // 4 - 1 & 0xFFFFFFFF).to_bytes(4, "little") + bytes((0, check))
    return _crc(body) + body + FOOTER_MAGIC


def index(records: Sequence[Record]) -> bytes:
    body = b"\0" + vli(len(records)) + b"".join(vli(record.unpadded) + vli(record.size) for record in records)
    body += bytes(-len(body) % 4)
    return body + _crc(body)


def block_header(header: BlockHeader, packed: int, size: int) -> bytes:
    """`packed` is the size of the compressed data in bytes. Raises IntegrityError where the sizes do not fit."""
    sizes = vli(packed) + vli(size) if header.has_sizes else b""
    body = bytes((header.length // 4 - 1, _HAS_SIZES if header.has_sizes else 0)) + sizes
    body += _LZMA2 + bytes((header.dictionary,))
    if len(body) > header.length - 4:
        raise IntegrityError(_WHERE, "a block header is too short for what it must hold")
    body = body.ljust(header.length - 4, b"\0")
    return body + _crc(body)


def vli(number: int) -> bytes:
    """A variable-length integer: seven bits a byte, the lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_vli(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends. Raises IntegrityError for more than nine bytes."""
    number = 0
    for place, byte in enumerate(data[at : at + 9]):
        number |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return number, at + place + 1
    raise _fault("a damaged number")


def read_index(data: bytes) -> tuple[Record, ...]:
    count, at = read_vli(data, 1)
    if count > MAX_BLOCKS:
        raise _fault("too many blocks")
    records = []
    for _ in range(count):
        unpadded, at = read_vli(data, at)
        size, at = read_vli(data, at)
        records.append(Record(unpadded, size))
    if index(records) != data:
        raise _fault("not an index")
    return tuple(records)


def _read_block_header(data: bytes, record: Record, check_size: int) -> BlockHeader:
    length = (data[0] + 1) * 4
    has_sizes = data[1] == _HAS_SIZES
    at = 2
    if has_sizes:
        _, at = read_vli(data, 2)
        _, at = read_vli(data, at)
    header = BlockHeader(
        length=length, has_sizes=has_sizes, dictionary=int.from_bytes(data[at + 2 : at + 3], "little")
    )
    packed = record.unpadded - length - check_size
    if packed < 1 or block_header(header, packed, record.size) != data[:length]:
        raise _fault("not the header of a block of LZMA2")
    return header


def _read(original: BinaryIO, start: int, size: int) -> bytes:
    original.seek(start)
    data = original.read(size)
    if len(data) < min(size, FRAME):
        raise _fault("truncated")
    return data


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def _fault(what: str) -> IntegrityError:
    return IntegrityError(_WHERE, what)
