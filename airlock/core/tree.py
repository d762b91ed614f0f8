"""File trees as values, and the one comparison that plans, dry runs and audits share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airlock.core.digest import Digest
from airlock.core.paths import SafePath


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    digest: Digest
    size: int
    mode: int
    """Permission bits, such as 0o644."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEntry:
    target: str


Entry = FileEntry | LinkEntry
Tree = Mapping[SafePath, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    path: SafePath
    before: Entry | None
    after: Entry | None


def changes(before: Tree, after: Tree) -> Iterator[Change]:
    """Yield what turns `before` into `after`, in path order; entries that are equal are left out."""
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old != new:
            yield Change(path=path, before=old, after=new)
