"""Which tags lead to something else than was locked."""

from airlock.core.digest import hex_of
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds import Locked, NearSide, Newer
from airlock.kinds.image.obtain import reference_of
from airlock.kinds.image.rows import KIND
from airlock.kinds.image.sources import registry_of

_SHOWN = 12
"""Digits of a digest that tell two apart."""


def newer(locked: Locked, near: NearSide) -> tuple[Newer, ...]:
    """A tag is asked once, for all the targets whose image it is. Raises FetchError or IntegrityError."""
    found: dict[tuple[str, str], list[LockedArtifact]] = {}
    for row in locked.lockfile.artifacts:
        artifact = row.artifact
        if (
            artifact.kind == KIND
            and artifact.placement.get("role") == "image"
            and "reference" in artifact.origin
        ):
            found.setdefault((artifact.name, artifact.origin["reference"]), []).append(row)
    rows = (_one(rows, locked, near) for _, rows in sorted(found.items()))
    return tuple(one for one in rows if one is not None)


def _one(rows: list[LockedArtifact], locked: Locked, near: NearSide) -> Newer | None:
    artifact = rows[0].artifact
    reference = reference_of(artifact)
    if reference.digest is not None:
        return None
    now = registry_of(reference, locked.manifest, near).manifest(reference.tag).digest
    if now == artifact.digest:
        return None
    return Newer(
        name=artifact.name,
        locked=f"{reference.tag} ({hex_of(artifact.digest)[:_SHOWN]})",
        targets=tuple(sorted({target for row in rows for target in row.targets})),
        allowed=f"{reference.tag} ({hex_of(now)[:_SHOWN]})",
        newest=f"{reference.tag} ({hex_of(now)[:_SHOWN]})",
        yanked=None,
    )
