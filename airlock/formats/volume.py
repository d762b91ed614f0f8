"""`volume.json`, the header of a volume: which part it is of which set of volumes that carry one bundle or delta.

A set has `data` volumes, each with its share of the file, in order, and `parity` volumes. The share of a data volume is
`stride` bytes, that of the last is what is left. A parity volume is as long as the first. Every share is cut into blocks; the
digests of a volume's blocks, 32 bytes each, are its list, and the set's table has the digest of each list. So a set's identity,
the digest of its table, says what every byte of every volume must be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airlock.core.canonical_json import MAX_SIZE, dumps, loads
from airlock.core.digest import Digest, digest_of, parse_digest
from airlock.core.erasure import MAX_ROWS
from airlock.core.fields import Fields
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError
from airlock.formats.index import INDEX

FORMAT = "airlock-volume/1"
HEADER = "volume.json"
"""The first member of a volume."""
LISTS = "blocks"
"""The member that holds the lists of all volumes of the set, one after the other."""
PAYLOAD = "payload"
"""The last member: the volume's share."""
MAX_HEADER = 1 << 17
"""Bytes."""
MAX_BLOCKS = 1 << 20
"""Of all volumes of a set."""
BLOCKS = tuple(1 << exponent for exponent in range(9, 21))
"""Sizes that a block can have, in bytes."""
_MAX_FILE = MAX_BLOCKS * BLOCKS[-1]
DIGEST = 32
"""Bytes of a block's digest in a list."""
KINDS = ("bundle", "delta")
_MAX_MEMBERS = 64
_MAX_SIGNATURES = 1 << 20
"""Bytes of one member below trust/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A member of the file that every volume has a copy of."""

    name: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTable:
    """What is the same in every volume of a set. Sizes are in bytes, volumes count from 1, blocks from 0."""

    kind: str
    name: str
    """Of the file; only shown."""
    size: int
    digest: Digest
    block: int
    stride: int
    parity: int
    members: tuple[Copied, ...]
    """The index, and who signed it."""
    lists: tuple[Digest, ...]
    """Of each volume's list, the data volumes first."""

    @property
    def data(self) -> int:
        return -(-self.size // self.stride)

    @property
    def count(self) -> int:
        return self.data + self.parity

    def share(self, number: int) -> int:
        """Bytes of this volume's share."""
        first = min(self.size, self.stride)
        return min(first, self.size - (number - 1) * self.stride) if number <= self.data else first

    def blocks(self, number: int) -> int:
        return -(-self.share(number) // self.block)

    def length(self, number: int, block: int) -> int:
        """Bytes of this block; 0 where a short volume has none."""
        return max(0, min(self.block, self.share(number) - block * self.block))

    def list_place(self, number: int) -> tuple[int, int]:
        """Where the volume's list begins and ends among the lists."""
        before = (number - 1) * self.blocks(1)
        if number > self.data:
            before -= self.blocks(1) - self.blocks(self.data)
        return before * DIGEST, (before + self.blocks(number)) * DIGEST

    @property
    def lists_size(self) -> int:
        return self.list_place(self.count)[1]

    @property
    def index(self) -> Digest:
        """Of the file's index."""
        return self.members[0].digest

    def label(self, number: int) -> str:
        """`NAME.3of5`: what is written on the disc."""
        stem, _, suffix = self.name.rpartition(".")
        name = stem if stem and suffix in ("airlock", "airdelta") else self.name
        return f"{name}.{number:0{len(str(self.count))}}of{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHeader:
    number: int
    table: SetTable

    @property
    def identity(self) -> Digest:
        return identity_of(self.table)


def identity_of(table: SetTable) -> Digest:
    return digest_of(dumps(_table(table)))


def write_header(header: VolumeHeader) -> bytes:
    return dumps(
        {
            "format": FORMAT,
            "identity": header.identity,
            "number": header.number,
            "set": _table(header.table),
        }
    )


def _table(table: SetTable) -> dict[str, Any]:
    return {
        "kind": table.kind,
        "file": {"name": table.name, "size": table.size, "digest": table.digest},
        "block": table.block,
        "stride": table.stride,
        "count": table.count,
        "parity": table.parity,
        "members": [
            {"name": member.name, "size": member.size, "digest": member.digest} for member in table.members
        ],
        "lists": list(table.lists),
    }


def parse_header(data: bytes, where: str) -> VolumeHeader:
    """Raises IntegrityError for anything that `write_header` does not write."""
    if len(data) > MAX_HEADER:
        expected = f"at most {MAX_HEADER} bytes"
        raise IntegrityError(where, "too large", expected=expected, found=f"{len(data)} bytes")
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        hint = "a newer airlock may read it"
        raise fields.fault("format", f"unknown format {found!r}: expected {FORMAT!r}", hint)
    identity, number = fields.digest("identity"), fields.integer("number", limit=MAX_ROWS)
    table = _read_table(fields.table("set"))
    fields.done()
    if not 1 <= number <= table.count:
        raise fields.fault("number", f"expected a number from 1 to {table.count}, found {number}")
    if identity_of(table) != identity:
        raise fields.fault("identity", f"not the digest of the set: expected {identity_of(table)}")
    return VolumeHeader(number=number, table=table)


def _read_table(fields: Fields) -> SetTable:
    file = fields.table("file")
    name = file.parsed("name", _file_name)
    size, digest = file.integer("size", limit=_MAX_FILE), file.digest("digest")
    file.done()
    kind, block = fields.text("kind"), fields.integer("block")
    if kind not in KINDS:
        raise fields.fault("kind", f"expected one of {', '.join(KINDS)}, found {kind!r}")
    if block not in BLOCKS:
        raise fields.fault("block", f"expected a power of two from {BLOCKS[0]} to {BLOCKS[-1]}")
    table = SetTable(
        kind=kind,
        name=name,
        size=size,
        digest=digest,
        block=block,
        stride=fields.integer("stride", limit=_MAX_FILE),
        parity=fields.integer("parity", limit=MAX_ROWS),
        members=tuple(_members(fields)),
        lists=_digests(fields, "lists"),
    )
    count = fields.integer("count", limit=MAX_ROWS)
    fields.done()
    _check_geometry(table, count, fields)
    return table


def _check_geometry(table: SetTable, count: int, fields: Fields) -> None:
    if not table.size:
        raise fields.fault("file.size", "expected more than 0")
    if not table.stride or table.stride % table.block:
        raise fields.fault("stride", f"expected a multiple of the block's {table.block} bytes")
    if table.count != count or count != len(table.lists) or count > MAX_ROWS:
        found = f"the sizes and parity make {table.count}, and there are {len(table.lists)} lists"
        raise fields.fault("count", f"expected at most {MAX_ROWS} volumes, as many as all else says: {found}")
    if table.lists_size > MAX_BLOCKS * DIGEST:
        raise fields.fault("block", f"expected at most {MAX_BLOCKS} blocks in all")


def _members(fields: Fields) -> Iterator[Copied]:
    names: list[str] = []
    for row in fields.tables("members"):
        name = row.text("name")
        limit = _MAX_SIGNATURES if names else MAX_SIZE
        yield Copied(name=name, size=row.integer("size", limit=limit), digest=row.digest("digest"))
        row.done()
        names.append(name)
    trust = names[1:]
    if names[:1] != [INDEX] or sorted(set(trust)) != sorted(trust) or len(names) > _MAX_MEMBERS:
        raise fields.fault("members", f"expected {INDEX}, and at most {_MAX_MEMBERS} in all, each once")
    if not all(name.startswith("trust/") for name in trust):
        raise fields.fault("members", "expected names below trust/ after the index")


def _digests(fields: Fields, key: str) -> tuple[Digest, ...]:
    try:
        return tuple(parse_digest(text) for text in fields.texts(key))
    except IntegrityError as error:
        raise fields.fault(key, f"{error.what}: found {error.found}") from error


def _file_name(text: str, place: str) -> str:
    if "/" in safe_path(text) or not text.isprintable():
        raise ValueError("expected a plain file name")
    return text
