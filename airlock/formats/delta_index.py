"""`delta.json`: from which bundle to which, and how each expanded form is had.

Nothing in it needs to be trusted: what it restores is what the new bundle's signed index names, or is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from airlock.core.artifact import Project
from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT, plain_text, read_project, write_project

FORMAT = "airlock-delta/1"
SEVERAL = "airlock-delta/2"
"""Where a patch starts from more than one expanded form."""
MEMBER = "delta.json"
MAX_BASES = 64
"""Of one patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An expanded form of the base that a patch starts from."""

    digest: Digest
    size: int
    label: str
    """What the base bundle calls it. Only shown, and checked by nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """The base has it."""

    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """The delta carries its frame."""

    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The delta's streams make it, out of `base` and `more` behind it as one, or of nothing."""

    digest: Digest
    base: Origin | None
    more: tuple[Origin, ...] = ()

    @property
    def bases(self) -> tuple[Origin, ...]:
        return (self.base, *self.more) if self.base else ()

    @property
    def base_size(self) -> int:
        """Bytes of all that it starts from."""
        return sum(origin.size for origin in self.bases)


Row = Keep | Full | Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaIndex:
    base_project: Project
    base: Digest
    """Of the base bundle's index."""
    new: Digest
    """Of the new bundle's index."""
    rows: tuple[Row, ...]
    """One for each expanded form of the new bundle, in the order in which the streams make them."""


def write_delta_index(index: DeltaIndex) -> bytes:
    return dumps(
        {
            "format": _format(index.rows),
            "base": {"project": write_project(index.base_project), "index": index.base},
            "new": {"index": index.new},
            "artifacts": [_write_row(row) for row in index.rows],
        }
    )


def _format(rows: Iterable[Row]) -> str:
    return SEVERAL if any(isinstance(row, Patch) and row.more for row in rows) else FORMAT


def _write_row(row: Row) -> dict[str, object]:
    table: dict[str, object] = {"how": type(row).__name__.lower(), "sha256": hex_of(row.digest)}
    if isinstance(row, Patch) and row.base:
        table["base"] = _write_origin(row.base)
        if row.more:
            table["more"] = [_write_origin(origin) for origin in row.more]
    return table


def _write_origin(origin: Origin) -> dict[str, object]:
    return {"sha256": hex_of(origin.digest), "size": origin.size, "label": origin.label}


def parse_delta_index(data: bytes, where: str) -> DeltaIndex:
    """Read `delta.json`. Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) not in {FORMAT, SEVERAL}:
        raise IntegrityError(
            where,
            "unknown delta format",
            expected=f"{FORMAT} or {SEVERAL}",
            found=repr(found),
            hint="update airlock",
        )
    base, new = fields.table("base"), fields.table("new")
    index = DeltaIndex(
        base_project=read_project(base.table("project")),
        base=base.digest("index"),
        new=new.digest("index"),
        rows=tuple(_row(table) for table in fields.tables("artifacts")),
    )
    for table in (base, new, fields):
        table.done()
    if "artifacts" not in fields:
        raise fields.fault("artifacts", "missing")
    if found != _format(index.rows):
        raise fields.fault("format", "2 is for patches with several bases, of which one must be there")
    if len({row.digest for row in index.rows}) != len(index.rows):
        raise fields.fault("artifacts", "one stands twice")
    return index


def _row(fields: Fields) -> Row:
    how, digest = fields.text("how"), _sha256(fields)
    row: Row
    if how == "keep":
        row = Keep(digest=digest)
    elif how == "full":
        row = Full(digest=digest)
    elif how == "patch":
        row = _patch(digest, fields)
    else:
        raise fields.fault("how", f"expected keep, patch or full, found {how!r}")
    fields.done()
    return row


def _patch(digest: Digest, fields: Fields) -> Patch:
    base = _origin(fields.table("base")) if "base" in fields else None
    more = tuple(_origin(table) for table in fields.tables("more")) if base else ()
    if ("more" in fields) != bool(more) or len(more) >= MAX_BASES:
        raise fields.fault("more", f"not further bases, of which there may be {MAX_BASES} in all")
    row = Patch(digest=digest, base=base, more=more)
    if len({origin.digest for origin in row.bases}) != len(row.bases) or row.base_size > MAX_ARTIFACT:
        raise fields.fault("more", "a base stands twice, or all of them are too large")
    return row


def _origin(fields: Fields) -> Origin:
    origin = Origin(
        digest=_sha256(fields),
        size=fields.integer("size", limit=MAX_ARTIFACT),
        label=fields.parsed("label", plain_text),
    )
    fields.done()
    return origin


def _sha256(fields: Fields) -> Digest:
    return fields.parsed("sha256", lambda text, place: parse_digest("sha256:" + text, place))
