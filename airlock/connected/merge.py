"""Two locks that grew from one: what both sides chose, as the start of one new resolution."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from airlock.core.digest import hex_of
from airlock.formats.lockfile import Cutoff, Lockfile, Seed

T = TypeVar("T")


def merged_start(base: Lockfile | None, ours: Lockfile, theirs: Lockfile) -> Lockfile:
    """A lock with seeds alone. Of each project the version of the side that changed it comes first, of two changes the
    newer; what one side dropped comes last."""
    return replace(
        ours,
        encoder=_three_way(base.encoder if base else None, ours.encoder, theirs.encoder),
        cutoff=_cutoff(base.cutoff if base else None, ours.cutoff, theirs.cutoff),
        inputs={},
        artifacts=(),
        seeds=tuple(_seeds(base, ours, theirs)),
    )


def _three_way(base: T | None, ours: T, theirs: T) -> T:
    return theirs if ours == base else ours


def _cutoff(base: Cutoff | None, ours: Cutoff | None, theirs: Cutoff | None) -> Cutoff | None:
    if ours is None or theirs is None or base in (ours, theirs):
        return theirs if ours == base else ours
    return max(ours, theirs, key=lambda cutoff: cutoff.instant)


def _seeds(base: Lockfile | None, ours: Lockfile, theirs: Lockfile) -> Iterable[Seed]:
    sides = [_versions(lockfile) for lockfile in (base, ours, theirs)]
    for name in sorted(sides[1].keys() | sides[2].keys()):
        before, mine, other = (side.get(name, {}) for side in sides)
        for version in _order(set(before), set(mine), set(other)):
            files = mine.get(version, frozenset()) | other.get(version, frozenset())
            yield Seed(name=name, version=version, source="a branch", files=tuple(sorted(files)))


def _order(base: set[str], ours: set[str], theirs: set[str]) -> list[str]:
    from packaging.version import Version

    changed = (ours - base) | (theirs - base)
    return sorted(ours | theirs, key=lambda text: (text in changed, Version(text)), reverse=True)


def _versions(lockfile: Lockfile | None) -> dict[str, dict[str, frozenset[tuple[str, str]]]]:
    found: dict[str, dict[str, frozenset[tuple[str, str]]]] = {}
    for one in lockfile.artifacts if lockfile else ():
        artifact = one.artifact
        if artifact.version and "index" in artifact.origin and one.targets:
            versions = found.setdefault(artifact.name, {})
            built = "sdist" in artifact.origin
            files = frozenset() if built else frozenset({(artifact.file, hex_of(artifact.digest))})
            versions[artifact.version] = versions.get(artifact.version, frozenset()) | files
    for seed in lockfile.seeds if lockfile else ():
        versions = found.setdefault(seed.name, {})
        versions[seed.version] = versions.get(seed.version, frozenset()) | frozenset(seed.files)
    return found
