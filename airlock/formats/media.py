"""Sizes of media as people write them: `dvd`, `bd25`, `4.4G`, `700MiB`, `4700000000`."""

import re
from decimal import Decimal

from airlock.errors import UsageError

SECTOR = 2048
_OPTICAL = 16 << 20
"""Bytes that an ISO 9660 or UDF file system, its tables and the lead-out take at most, with room to spare."""
MEDIA = {
    "cd": 360_000 * SECTOR - (4 << 20),
    "dvd": 2_295_104 * SECTOR - _OPTICAL,
    "dvd-dl": 4_171_712 * SECTOR - _OPTICAL,
    "bd25": 11_826_176 * SECTOR - _OPTICAL,
    "bd50": 23_652_352 * SECTOR - _OPTICAL,
    "bd100": 47_305_728 * SECTOR - _OPTICAL,
    "fat32": (4 << 30) - 1,
}
"""Bytes that one volume may have: of the smallest kind that is sold under the name (80 minutes; DVD+R; DVD-R DL; Blu-ray with its
spare areas), its file system taken off. `fat32` is the largest file that such a stick takes."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,9})?)\s?([KMGT]?)(I?)B?", re.ASCII | re.IGNORECASE)


def parse_capacity(text: str, where: str) -> int:
    """Bytes of one volume, at most. Units are decimal, as media are sold; with an `i`, as in `GiB`, binary. Raises UsageError."""
    if known := MEDIA.get(text.lower()):
        return known
    if (match := _SIZE.fullmatch(text.strip())) and not (match[3] and not match[2]):
        units = _BINARY if match[3] else _UNITS
        return int(Decimal(match[1]) * units[match[2].upper()])
    expected = f"{', '.join(MEDIA)}, or a size such as 4.4G or 700MiB"
    raise UsageError(where, "not a size", expected=expected, found=repr(text[:40]))
