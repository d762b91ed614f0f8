"""Changes by the package bsdiff4, for where the native crate is not: larger, slower, and without relocations."""

import bz2
import re
import struct
from itertools import chain

import bsdiff4

from airlock.core.change import Change
from airlock.core.numbers import leb128, zigzag

_SIGN = 1 << 63
_ZEROS = re.compile(rb"\0{4,}")


def bsdiff_change(old: bytes, new: bytes) -> Change:
    """The three parts of a BSDIFF40 patch: magic, three lengths, then control, diff and extra as bzip2 streams. Its numbers
    are 64 bit sign and magnitude, three a block: bytes added, bytes inserted behind, and a move in the old file."""
    patch = bsdiff4.diff(old, new)
    control_size, diff_size = struct.unpack_from("<2q", patch, 8)
    control = bz2.decompress(patch[32 : 32 + control_size])
    numbers = [-(n - _SIGN) if n >= _SIGN else n for (n,) in struct.iter_unpack("<Q", control)]
    rest = 32 + control_size + diff_size
    inserted, moved, added = bytearray(), bytearray(), bytearray()
    gap = move = 0
    for length, behind, away in zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True):
        if length:
            inserted += leb128(gap)
            moved += leb128(zigzag(move))
            added += leb128(length)
            gap = move = 0
        gap, move = gap + behind, move + away
    same, different, diff = _runs(bz2.decompress(patch[32 + control_size : rest]))
    extra = bz2.decompress(patch[rest:])
    return Change(bytes(inserted), bytes(moved), bytes(added), same, different, diff, extra)


def _runs(differences: bytes) -> tuple[bytes, bytes, bytes]:
    """Runs of zeros and of others, each run of zeros long enough to be worth a pair of numbers."""
    same, different, others = bytearray(), bytearray(), bytearray()
    place = zeros = 0
    end = (len(differences), len(differences))
    for start, stop in chain((found.span() for found in _ZEROS.finditer(differences)), [end]):
        if start > place:
            same += leb128(zeros)
            different += leb128(start - place)
            others += differences[place:start]
            zeros = 0
        zeros, place = zeros + stop - start, stop
    return bytes(same), bytes(different), bytes(others)
