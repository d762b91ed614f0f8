"""`state/generations/N.json`: what a generation is made of, path by path. Rollback, reuse and audits compare with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.core.paths import SafePath
from airlock.core.tree import Entry, FileEntry, LinkEntry, Tree
from airlock.errors import IntegrityError

FORMAT = "airlock-generation/1"
MAX_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    number: int
    content: int
    """The generation whose directory holds the files: itself, or an earlier one after a rollback."""
    index: Digest
    """Of the bundle's index, which the site keeps in `store/indexes`."""
    project: str
    version: str
    release: int
    """The counter of the signatures that it was accepted with."""
    python: str
    """The base interpreter, an absolute path."""
    tree: Tree
    """Every file and link that was placed, by its path below the generation."""
    owners: Mapping[SafePath, str]
    """Which artifact a path belongs to, by its label; of several that have it, the first by label."""
    shared: frozenset[str]
    """The artifacts that have a file which belongs to another: `owners` does not tell all that they consist of."""


def write_generation(generation: Generation) -> bytes:
    return dumps(
        {
            "format": FORMAT,
            "number": generation.number,
            "content": generation.content,
            "index": hex_of(generation.index),
            "project": generation.project,
            "version": generation.version,
            "release": generation.release,
            "python": generation.python,
            "shared": sorted(generation.shared),
            "tree": [
                {"path": path, "of": generation.owners[path], **_write_entry(entry)}
                for path, entry in sorted(generation.tree.items())
            ],
        }
    )


def _write_entry(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, LinkEntry):
        return {"link": entry.target}
    return {"sha256": hex_of(entry.digest), "size": entry.size, "mode": entry.mode}


def parse_generation(data: bytes, where: str) -> Generation:
    """Read a generation's record. Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        raise IntegrityError(where, "unknown record format", expected=FORMAT, found=repr(found))
    tree: dict[SafePath, Entry] = {}
    owners: dict[SafePath, str] = {}
    for row in fields.tables("tree"):
        path = row.safe_path("path")
        owners[path], tree[path] = row.text("of"), _entry(row)
        row.done()
    generation = Generation(
        number=fields.integer("number", limit=MAX_NUMBER),
        content=fields.integer("content", limit=MAX_NUMBER),
        index=_digest(fields, "index"),
        project=fields.text("project"),
        version=fields.text("version"),
        release=fields.integer("release"),
        python=fields.text("python"),
        tree=tree,
        owners=owners,
        shared=frozenset(fields.texts("shared")),
    )
    fields.done()
    return generation


def _entry(row: Fields) -> Entry:
    if "link" in row:
        return LinkEntry(target=row.text("link"))
    mode = row.integer("mode", limit=0o7777)
    return FileEntry(digest=_digest(row, "sha256"), size=row.integer("size"), mode=mode)


def _digest(fields: Fields, key: str) -> Digest:
    return fields.parsed(key, lambda text, place: parse_digest("sha256:" + text, place))
