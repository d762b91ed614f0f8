"""A wheel's RECORD without what follows from the files it names (binary distribution format, PyPA specifications).

The template has the kind of line end first, then a line for each line: `+` for the row of the file behind the one of the
row before, `=NAME` for the row of another file, and a space and the line itself for everything else.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from airlock.core.digest import Hasher, hex_of
from airlock.core.expanded import DerivedRecord
from airlock.core.forms.codec import Slot
from airlock.errors import IntegrityError

MAX_RECORD = 32 << 20
"""Bytes of a RECORD, and of its template."""
_RECORD = re.compile(r"[^/]+\.dist-info/RECORD")
_QUOTED = re.compile(r'[,"\r\n]')
_ENDS = {b"lf": b"\n", b"crlf": b"\r\n"}


def record_of(slots: Sequence[Slot]) -> int | None:
    """The number of the part that is a wheel's RECORD, if there is exactly one."""
    found = [number for number, slot in enumerate(slots) if _RECORD.fullmatch(slot.name) and not slot.opaque]
    return found[0] if len(found) == 1 else None


@dataclass(slots=True)
class Rows:
    """The rows of the files that have passed."""

    rows: list[bytes] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)
    """By name."""

    def add(self, slot: Slot, hasher: Hasher) -> None:
        if name := self._new(slot):
            digest = base64.urlsafe_b64encode(bytes.fromhex(hex_of(hasher.digest))).rstrip(b"=")
            self._take(name, b"%s,sha256=%s,%d" % (name, digest, hasher.size))

    def add_name(self, slot: Slot) -> None:
        """For `derived`, which needs no digests."""
        if name := self._new(slot):
            self._take(name, name)

    def _new(self, slot: Slot) -> bytes:
        """Empty for what has no row: names that csv would quote, folders, opaque parts and second files of one name."""
        name = slot.name.encode("utf-8", "surrogateescape")
        without = slot.opaque or slot.name.endswith("/") or _QUOTED.search(slot.name) or name in self.numbers
        return b"" if without else name

    def _take(self, name: bytes, row: bytes) -> None:
        self.numbers[name] = len(self.rows)
        self.rows.append(row)

    def template(self, record: bytes) -> bytes:
        end = b"crlf" if 0 < record.count(b"\r\n") == record.count(b"\n") else b"lf"
        lines, following = [end], 0
        for line in record.split(_ENDS[end]):
            name = line.partition(b",")[0]
            number = self.numbers.get(name, -1)
            if number < 0 or self.rows[number] != line:
                lines.append(b" " + line)
                continue
            lines.append(b"+" if number == following else b"=" + name)
            following = number + 1
        return b"\n".join(lines)

    def record(self, template: bytes, where: str) -> bytes:
        """Raises IntegrityError for everything but the one template of the result."""
        end, lines = _split(template, where)
        out: list[bytes] = []
        following = size = 0
        for line in lines:
            row, following = self._row(line, following, where)
            out.append(row)
            size += len(row) + 2
            if size > MAX_RECORD + 2:
                raise _too_large(where)
        record = _ENDS[end].join(out)
        if self.template(record) != template:
            raise IntegrityError(where, "not the one template of its RECORD")
        return record

    def derived(self, template: bytes, where: str) -> DerivedRecord:
        """What a template says, for rows of names alone. Raises IntegrityError."""
        end, lines = _split(template, where)
        names: list[str] = []
        rest: list[bytes] = []
        following = size = 0
        for line in lines:
            row, following = self._row(line, following, where)
            size += len(row)
            if size > MAX_RECORD:
                raise _too_large(where)
            if line.startswith(b" "):
                rest.append(row)
            else:
                names.append(row.decode("utf-8", "surrogateescape"))
        return DerivedRecord(names=frozenset(names), rest=_ENDS[end].join(rest))

    def _row(self, line: bytes, following: int, where: str) -> tuple[bytes, int]:
        if line.startswith(b" "):
            return line[1:], following
        number = following if line == b"+" else self.numbers.get(line[1:], -1) if line[:1] == b"=" else -1
        if not 0 <= number < len(self.rows):
            raise IntegrityError(where, "RECORD's template names a file that has not passed")
        return self.rows[number], number + 1


def _too_large(where: str) -> IntegrityError:
    return IntegrityError(where, "RECORD is too large", expected=f"at most {MAX_RECORD} bytes")


def _split(template: bytes, where: str) -> tuple[bytes, list[bytes]]:
    end, *lines = template.split(b"\n")
    if end not in _ENDS or not lines:
        raise IntegrityError(where, "not a template of RECORD")
    return end, lines
