"""What differs between two locks, in the terms of those who have to agree to it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest
from airlock.formats.lockfile import LockedArtifact, Lockfile

How = Literal["added", "removed", "up", "down", "file", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs between two locks; an empty side means that it was not there."""

    kind: str
    name: str
    before: tuple[str, ...]
    """Versions, sorted; the file's name stands in for a kind without versions."""
    after: tuple[str, ...]
    how: How
    """`file`: other bytes for the same version. `changed`: none of the others, as where targets moved apart."""
    targets: tuple[str, ...]
    """Where it differs, sorted."""
    size_before: int
    """Bytes of all its files."""
    size_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Something else that a lock fixes, before and after."""

    name: str
    before: str
    after: str


def changes(before: Lockfile | None, after: Lockfile) -> tuple[Change, ...]:
    """What differs between two locks, sorted by kind and name."""
    old, new = _by_key(before.artifacts if before else ()), _by_key(after.artifacts)
    return tuple(
        _change(key, old.get(key, {}), new.get(key, {}))
        for key in sorted(old.keys() | new.keys())
        if _identities(old.get(key, {})) != _identities(new.get(key, {}))
    )


Rows = dict[str, Artifact]
"""By target, or by what it is a tool for."""


def _by_key(artifacts: Iterable[LockedArtifact]) -> dict[tuple[str, str], Rows]:
    found: dict[tuple[str, str], Rows] = {}
    for one in artifacts:
        where = (*one.targets, *(f"build of {built}" for built in one.builds))
        found.setdefault(one.artifact.key, {}).update(dict.fromkeys(where, one.artifact))
    return found


def _identities(rows: Rows) -> frozenset[tuple[str, str, Digest]]:
    return frozenset(_identity(artifact) for artifact in rows.values())


def _identity(artifact: Artifact) -> tuple[str, str, Digest]:
    return artifact.version, artifact.file, artifact.digest


def _change(key: tuple[str, str], old: Rows, new: Rows) -> Change:
    before, after = _labels(old), _labels(new)
    return Change(
        kind=key[0],
        name=key[1],
        before=before,
        after=after,
        how=_how(before, after),
        targets=tuple(
            target
            for target in sorted(old.keys() | new.keys())
            if (_identity(old[target]) if target in old else None)
            != (_identity(new[target]) if target in new else None)
        ),
        size_before=_size(old),
        size_after=_size(new),
    )


def _how(before: tuple[str, ...], after: tuple[str, ...]) -> How:
    if not before or not after:
        return "removed" if before else "added"
    if before == after:
        return "file"
    from packaging.version import InvalidVersion, Version

    try:
        old, new = max(map(Version, before)), max(map(Version, after))
    except InvalidVersion:
        return "changed"
    return "changed" if old == new else "up" if old < new else "down"


def _labels(rows: Rows) -> tuple[str, ...]:
    return tuple(sorted({artifact.version or artifact.file for artifact in rows.values()}))


def _size(rows: Rows) -> int:
    return sum({artifact.digest: artifact.size for artifact in rows.values()}.values())


def settings(before: Lockfile | None, after: Lockfile) -> tuple[Setting, ...]:
    """What differs besides artifacts, where there was a lock before."""
    if before is None:
        return ()
    old, new = _settings(before), _settings(after)
    return tuple(
        Setting(name=name, before=old.get(name, ""), after=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _settings(lockfile: Lockfile) -> dict[str, str]:
    encoder = lockfile.encoder
    found = {
        "project version": lockfile.project.version,
        "encoder": f"{encoder.name} {encoder.version}",
        "level": str(encoder.level),
        "codecs": encoder.codecs,
    }
    found |= {f"target {one.name}": f"Python {one.python} on {one.platform}" for one in lockfile.targets}
    return found | ({"cutoff": lockfile.cutoff.instant} if lockfile.cutoff else {})


def strangers(found: Iterable[Change], names: Collection[str]) -> tuple[Change, ...]:
    """Changes of anything but `names`."""
    return tuple(change for change in found if change.name not in names)
