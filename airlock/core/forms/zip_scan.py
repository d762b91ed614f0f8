"""Read a zip with suspicion. The deciding half of `zip/1`."""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from airlock.core.digest import CHUNK
from airlock.core.forms.codec import MAX_PARTS, MAX_STRUCTURE
from airlock.core.forms.zip_structure import (
    DEFLATED,
    END,
    END_MAGIC,
    LOCAL,
    STORED,
    Entry,
    Plan,
    Structure,
    Sums,
    agreement,
    cut_centrals,
    cut_local,
    shortest,
)
from airlock.errors import IntegrityError

_MAX_COMMENT = 0xFFFF
_WHERE = "zip"


class ZipNotPlain(Exception):
    """Not a zip that `zip/1` restores; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedMember:
    offset: int
    """Of the local header."""
    local: bytes
    central: bytes
    gap: bytes
    sums: Sums

    @property
    def start(self) -> int:
        return self.offset + len(self.local)

    @property
    def method(self) -> int:
        return int.from_bytes(self.central[10:12], "little")

    def data(self, original: BinaryIO) -> Iterator[bytes]:
        """The member's bytes as the zip has them. Each chunk finds its own place, so that several may be read in turn."""
        position, left = self.start, self.sums.packed
        while left:
            original.seek(position)
            chunk = original.read(min(left, CHUNK))
            if not chunk:
                raise ZipNotPlain("truncated")
            position, left = position + len(chunk), left - len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    prefix: bytes
    members: tuple[ScannedMember, ...]
    end: bytes


def scan(original: BinaryIO) -> Scan:
    """Raises ZipNotPlain for everything that `ZipCodec.open` answers with None."""
    try:
        return _scan(original)
    except IntegrityError as error:
        raise ZipNotPlain(str(error)) from error


def _scan(original: BinaryIO) -> Scan:
    count, size, start = _end_record(original)
    original.seek(start)
    centrals, end = cut_centrals(original.read(), count, _WHERE)
    if sum(map(len, centrals)) != size:
        raise ZipNotPlain("the central directory is not as long as it says")
    offsets = [int.from_bytes(central[42:46], "little") for central in centrals]
    if offsets != sorted(set(offsets)):
        raise ZipNotPlain("the central directory is not in the order of the members")
    members = tuple(
        _member(original, offset, central, following)
        for offset, central, following in zip(offsets, centrals, [*offsets, start][1:], strict=True)
    )
    prefix = _between(original, 0, offsets[0] if offsets else start)
    if sum(len(member.local) + len(member.gap) for member in members) + len(prefix) > MAX_STRUCTURE:
        raise ZipNotPlain("the structure is too large")
    return Scan(prefix=prefix, members=members, end=end)


def _end_record(original: BinaryIO) -> tuple[int, int, int]:
    """The number of members, and size and offset of the central directory."""
    total = original.seek(0, io.SEEK_END)
    original.seek(max(0, total - END.size - _MAX_COMMENT))
    tail = original.read()
    at = tail.rfind(END_MAGIC)
    if at < 0 or len(tail) - at < END.size:
        raise ZipNotPlain("no end record")
    _, _, _, _, count, size, start, _ = END.unpack_from(tail, at)
    if count > MAX_PARTS or size > MAX_STRUCTURE or start + size != total - len(tail) + at:
        raise ZipNotPlain("not a plain central directory in front of the end record")
    return count, size, start


def _member(original: BinaryIO, offset: int, central: bytes, following: int) -> ScannedMember:
    sums = Sums(*struct.unpack_from("<3I", central, 16))
    original.seek(offset)
    fixed = original.read(LOCAL.size)
    local = cut_local(
        fixed + original.read(sum(struct.unpack_from("<2H", fixed.ljust(LOCAL.size), 26))), _WHERE
    )
    if (problem := agreement(local, central, int.from_bytes(central[10:12], "little"))) is not None:
        raise ZipNotPlain(problem)
    member = ScannedMember(offset=offset, local=local, central=central, gap=b"", sums=sums)
    if member.method not in (STORED, DEFLATED) or (member.method == STORED and sums.size != sums.packed):
        raise ZipNotPlain("neither stored nor deflated")
    gap = _between(original, member.start + sums.packed, following)
    return ScannedMember(offset=offset, local=local, central=central, gap=gap, sums=sums)


def _between(original: BinaryIO, start: int, stop: int) -> bytes:
    if not 0 <= stop - start <= MAX_STRUCTURE:
        raise ZipNotPlain("members overlap, or the space between them is too large")
    original.seek(start)
    return original.read(stop - start)


def structure_of(found: Scan, entries: Sequence[Entry]) -> Structure:
    end = found.end[:12] + bytes(8) + found.end[20:]
    return Structure(prefix=found.prefix, entries=tuple(entries), end=end)


def entry_of(member: ScannedMember, encoder: str) -> Entry:
    """The member's share of the structure, with the fields zeroed that `encoder` lets follow from the content."""
    same = member.local[14:26] == member.sums.tobytes()
    local = member.local[:14] + bytes(12) + member.local[26:] if same else member.local
    crc, _, size = member.sums if encoder == "opaque" else Sums(0, 0, 0)
    central = member.central[:16] + Sums(crc, 0, size).tobytes() + member.central[28:42]
    central += bytes(4) + member.central[46:]
    return Entry(
        plan=Plan(encoder, shortest(local, central, same=same), len(member.gap)),
        local=local,
        gap=member.gap,
        central=central,
    )
