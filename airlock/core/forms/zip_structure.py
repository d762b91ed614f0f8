"""The bytes of a zip (APPNOTE 6.3.10) that are not file data, and the fields in them that follow from the rest.

`Structure` is what both directions share: local headers, whatever stands behind the data, central directory and end
record, cut into their parts. Sizes, CRC-32 and offsets that follow from the data are zero in it, so that the structures of
two versions of one archive are nearly the same bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from airlock.errors import IntegrityError

STORED, DEFLATED = 0, 8

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_LOCAL_SUMS = slice(14, 26)
_CENTRAL_SUMS = slice(16, 28)
_CENTRAL_OFFSET = slice(42, 46)
_END_DIRECTORY = slice(12, 20)
_ENCRYPTED, _UTF8 = 0x1, 0x800


class Sums(NamedTuple):
    """CRC-32, compressed and uncompressed size in bytes of one member, as they stand in its headers."""

    crc: int
    packed: int
    size: int

    def tobytes(self) -> bytes:
        return struct.pack("<3I", *self)


LOCALS = ("kept", "sums", "bare", "twin")
"""Nothing; the sums, as the central directory has them; everything, from its entry there without extra fields, or with
them. The last that holds is the one to write."""


class Plan(NamedTuple):
    """How one member is restored."""

    encoder: str
    local: str
    """What of the local header follows: one of LOCALS."""
    gap: int
    """Bytes between the member's data and what comes next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member's share of the structure."""

    plan: Plan
    local: bytes
    gap: bytes
    central: bytes

    @property
    def method(self) -> int:
        return int.from_bytes(self.central[10:12], "little")

    @property
    def mode(self) -> int:
        """Permission bits of the external attributes, as Unix zip programs write them."""
        return (int.from_bytes(self.central[38:42], "little") >> 16) & 0o777

    @property
    def raw_name(self) -> bytes:
        return central_name(self.central)

    @property
    def name(self) -> str:
        flags = int.from_bytes(self.central[8:10], "little")
        return self.raw_name.decode("utf-8" if flags & _UTF8 else "cp437")

    @property
    def sums(self) -> Sums:
        """What the central directory holds; zero where it is derived."""
        return Sums(*struct.unpack("<3I", self.central[_CENTRAL_SUMS]))

    @property
    def kept(self) -> bytes:
        """The local header as the structure has it, empty where it follows from the central directory."""
        return self.local if self.plan.local in ("kept", "sums") else b""

    def local_with(self, sums: Sums) -> bytes:
        return _with(self.local, _LOCAL_SUMS, sums.tobytes()) if self.plan.local != "kept" else self.local

    def central_with(self, sums: Sums, offset: int) -> bytes:
        central = _with(self.central, _CENTRAL_SUMS, sums.tobytes())
        return _with(central, _CENTRAL_OFFSET, offset.to_bytes(4, "little"))


def local_of(central: bytes, *, extra: bool) -> bytes:
    """The local header that goes with an entry of the central directory, its sums zero."""
    length = int.from_bytes(central[30:32], "little") if extra else 0
    variable = central[CENTRAL.size : CENTRAL.size + int.from_bytes(central[28:30], "little") + length]
    lengths = central[28:30] + length.to_bytes(2, "little")
    return LOCAL_MAGIC + central[6:16] + bytes(12) + lengths + variable


def shortest(local: bytes, central: bytes, *, same: bool) -> str:
    """Which of LOCALS a local header has; `same` tells whether its sums are those of the central directory, and are zero
    here."""
    if same:
        for kind in ("twin", "bare"):
            if local == local_of(central, extra=kind == "twin"):
                return kind
    return "sums" if same else "kept"


def _with(data: bytes, place: slice, value: bytes) -> bytes:
    return data[: place.start] + value + data[place.stop :]


def central_name(central: bytes) -> bytes:
    return central[CENTRAL.size : CENTRAL.size + int.from_bytes(central[28:30], "little")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    prefix: bytes
    """What stands before the first member."""
    entries: tuple[Entry, ...]
    end: bytes

    def end_with(self, size: int, offset: int) -> bytes:
        return _with(self.end, _END_DIRECTORY, struct.pack("<2I", size, offset))

    def tobytes(self) -> bytes:
        fronts = [piece for entry in self.entries for piece in (entry.kept, entry.gap)]
        return b"".join([self.prefix, *fronts, *(entry.central for entry in self.entries), self.end])


class _Cutter:
    """Takes records off the front of `data`."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.offset = data, where, 0

    def fault(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self.where}: byte {self.offset}", what)

    def take(self, size: int) -> bytes:
        piece = self.data[self.offset : self.offset + size]
        if len(piece) != size:
            raise self.fault("the zip structure is truncated")
        self.offset += size
        return piece

    def record(self, form: struct.Struct, magic: bytes, lengths: Sequence[int]) -> bytes:
        """A record of fixed size with the variable parts whose 16 bit lengths stand at `lengths`."""
        fixed = self.take(form.size)
        if not fixed.startswith(magic):
            raise self.fault("not the record of a zip that must stand here")
        return fixed + self.take(sum(int.from_bytes(fixed[at : at + 2], "little") for at in lengths))


def cut_local(data: bytes, where: str) -> bytes:
    """The local header that `data` begins with."""
    return _Cutter(data, where).record(LOCAL, LOCAL_MAGIC, (26, 28))


def cut_centrals(data: bytes, count: int, where: str) -> tuple[list[bytes], bytes]:
    """`count` entries of a central directory, and the end record that is all that follows them."""
    cutter = _Cutter(data, where)
    centrals = [cutter.record(CENTRAL, CENTRAL_MAGIC, (28, 30, 32)) for _ in range(count)]
    end = cutter.record(END, END_MAGIC, (20,))
    if cutter.offset != len(data):
        raise cutter.fault("bytes behind the end of the zip")
    if struct.unpack_from("<4H", end, 4) != (0, 0, count, count):
        raise cutter.fault("the zip's count of members is wrong")
    return centrals, end


def parse_structure(data: bytes, prefix: int, plans: Sequence[Plan], where: str) -> Structure:
    """Cut a structure into its parts, and check that everything derived is zero and that the headers of each member
    agree. Raises IntegrityError with the offset."""
    cutter = _Cutter(data, where)
    head = cutter.take(prefix)
    fronts = [(plan, _front(cutter, plan), cutter.take(plan.gap)) for plan in plans]
    centrals, end = cut_centrals(data[cutter.offset :], len(plans), where)
    entries = tuple(
        Entry(
            plan=plan, local=local or local_of(central, extra=plan.local == "twin"), gap=gap, central=central
        )
        for (plan, local, gap), central in zip(fronts, centrals, strict=True)
    )
    for number, entry in enumerate(entries):
        if problem := _problem(entry):
            raise IntegrityError(f"{where}: member {number}", problem)
    if any(end[_END_DIRECTORY]):
        raise IntegrityError(where, "a derived field of the zip structure is not zero")
    return Structure(prefix=head, entries=entries, end=end)


def _front(cutter: _Cutter, plan: Plan) -> bytes:
    """The local header, empty where it follows."""
    if plan.local in ("kept", "sums"):
        return cutter.record(LOCAL, LOCAL_MAGIC, (26, 28))
    return b""


def _problem(entry: Entry) -> str | None:
    opaque = entry.plan.encoder == "opaque"
    derived = entry.central[20:24] if opaque else entry.central[_CENTRAL_SUMS]
    if (
        any(derived)
        or any(entry.central[_CENTRAL_OFFSET])
        or (entry.plan.local != "kept" and any(entry.local[_LOCAL_SUMS]))
    ):
        return "a derived field of the zip structure is not zero"
    kind = entry.plan.local
    if kind != "twin" and shortest(entry.local, entry.central, same=kind != "kept") != kind:
        return "not the shortest spelling of its local header"
    return agreement(entry.local, entry.central, DEFLATED if entry.plan.encoder != "store" else STORED)


def agreement(local: bytes, central: bytes, method: int) -> str | None:
    """What keeps the two headers from being those of one plain member, if anything."""
    name = local[LOCAL.size : LOCAL.size + int.from_bytes(local[26:28], "little")]
    if name != central_name(central) or local[6:8] != central[8:10]:
        return "local header and central directory disagree"
    if central[8] & _ENCRYPTED or central[34:36] != b"\0\0":
        return "an encrypted or split member"
    if not int.from_bytes(local[8:10], "little") == int.from_bytes(central[10:12], "little") == method:
        return "not the compression method that was promised"
    try:
        name.decode("utf-8" if int.from_bytes(central[8:10], "little") & _UTF8 else "cp437")
    except UnicodeDecodeError:
        return "a name that is not UTF-8"
    return None
