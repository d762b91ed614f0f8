"""What a bill of materials says, whatever its form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn
from uuid import UUID, uuid5

from airlock.core.artifact import Artifact, Project
from airlock.core.canonical_json import dumps
from airlock.core.digest import hex_of
from airlock.core.target import Target
from airlock.errors import FetchError
from airlock.formats.lockfile import Lockfile
from airlock.formats.rows import write_artifact, write_target
from airlock.kinds import Library, Locked, Packages
from airlock.kinds.described import NOTHING, Describes, Description
from airlock.kinds.registry import kind_named
from airlock.storage.store import Store

_SPACE = UUID("8d4a4f0e-6a52-5d3c-9f0b-2c1f6a8f7e10")
"""Of identities of bills, ours (RFC 9562 §5.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    artifact: Artifact
    said: Description
    needs: tuple[str, ...]
    """References of the rows that it needs, sorted."""

    @property
    def reference(self) -> str:
        """What other rows call it."""
        return f"{self.artifact.kind}:{self.artifact.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    project: Project
    target: Target
    rows: tuple[Row, ...]
    """Sorted by reference."""
    roots: tuple[str, ...]
    """References of what nothing else needs, sorted."""
    instant: str
    """The lock's cutoff, RFC 3339; empty where it has none."""

    @property
    def name(self) -> str:
        return f"{self.project.name}-{self.project.version}-{self.target.name}"

    @property
    def identity(self) -> UUID:
        """The same for the same bill."""
        facts = [[write_artifact(row.artifact), row.said.license, list(row.needs)] for row in self.rows]
        return uuid5(_SPACE, dumps([self.name, write_target(self.target), facts]).decode())


def bill_of(lockfile: Lockfile, target: str, store: Store) -> Bill:
    """Of one target; everything must be in the store. Raises FetchError or IntegrityError."""
    library = Library(cache=store.root / "none", store=store, near=_no_network)
    artifacts = sorted(lockfile.artifacts_for(target), key=lambda one: one.key)
    needs = _needs(lockfile, target, library)
    rows = [
        Row(
            artifact=one,
            said=_said(one, library),
            needs=tuple(sorted(f"{one.kind}:{name}" for name in needs.get(one.key, ()))),
        )
        for one in artifacts
    ]
    needed = {reference for row in rows for reference in row.needs if reference != row.reference}
    return Bill(
        project=lockfile.project,
        target=lockfile.target(target),
        rows=tuple(sorted(rows, key=lambda row: row.reference)),
        roots=tuple(sorted(row.reference for row in rows if row.reference not in needed)),
        instant=lockfile.cutoff.instant if lockfile.cutoff else "",
    )


def _no_network() -> NoReturn:
    raise FetchError("documents", "not in the store", hint="run `airlock fetch`")


def _said(artifact: Artifact, library: Library) -> Description:
    kind = kind_named(artifact.kind, artifact.label)
    return kind.described(artifact, library) if isinstance(kind, Describes) else NOTHING


def _needs(lockfile: Lockfile, target: str, library: Library) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """By kind and name, what of the target's pins each artifact needs, without a look at the manifest."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    alone = replace(
        lockfile,
        targets=(lockfile.target(target),),
        artifacts=tuple(one for one in lockfile.artifacts if target in one.targets),
    )
    names = {one.key for one in lockfile.artifacts_for(target)}
    for name in sorted({kind for kind, _ in names}):
        kind = kind_named(name, "the lock")
        if not isinstance(kind, Packages):
            continue
        for graph in kind.graphs(Locked(lockfile=alone, where="the lock"), library):
            for one, needs in graph.needs.items():
                there = {need.name for need in needs if (name, need.name) in names and need.name != one}
                found[name, one] = tuple(sorted(there))
    return found


def sha256(artifact: Artifact) -> str:
    """Of the original, in hexadecimal."""
    return hex_of(artifact.digest)
