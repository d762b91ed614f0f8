"""`delta.json`: from which bundle to which, and how each expanded form is had.

Nothing in it needs to be trusted: what it restores is what the new bundle's signed index names, or is refused.
"""

from dataclasses import dataclass

from airlock.core.artifact import Project
from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT, plain_text, read_project, write_project

FORMAT = "airlock-delta/1"
MEMBER = "delta.json"


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
    """The delta's streams make it, out of `base` or of nothing."""

    digest: Digest
    base: Origin | None


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
            "format": FORMAT,
            "base": {"project": write_project(index.base_project), "index": index.base},
            "new": {"index": index.new},
            "artifacts": [_write_row(row) for row in index.rows],
        }
    )


def _write_row(row: Row) -> dict[str, object]:
    table: dict[str, object] = {"how": type(row).__name__.lower(), "sha256": hex_of(row.digest)}
    if isinstance(row, Patch) and row.base:
        table["base"] = {
            "sha256": hex_of(row.base.digest),
            "size": row.base.size,
            "label": row.base.label,
        }
    return table


def parse_delta_index(data: bytes, where: str) -> DeltaIndex:
    """Read `delta.json`. Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        raise IntegrityError(
            where, "unknown delta format", expected=FORMAT, found=repr(found), hint="update airlock"
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
        row = Patch(digest=digest, base=_origin(fields.table("base")) if "base" in fields else None)
        fields.raw("base")
    else:
        raise fields.fault("how", f"expected keep, patch or full, found {how!r}")
    fields.done()
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
