"""Versions that another tool, or another branch, had chosen: where the search starts, and what its bytes were."""

from collections.abc import Iterable, Iterator

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.digest import hex_of
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.lockfile import LockedArtifact, Lockfile, Seed
from airlock.kinds import Upgrade
from airlock.kinds.wheel.releases import parsed_version


def seeded(
    previous: Lockfile | None, target: Target, upgrade: Upgrade
) -> Iterator[tuple[NormalizedName, Version]]:
    """Those that are meant for the target."""
    for seed in _kept(previous, upgrade):
        version = parsed_version(seed.version)
        if version and _meant(seed, target):
            yield canonicalize_name(seed.name), version


def _kept(previous: Lockfile | None, upgrade: Upgrade) -> Iterator[Seed]:
    for seed in previous.seeds if previous else ():
        if upgrade.keeps(canonicalize_name(seed.name)):
            yield seed


def _meant(seed: Seed, target: Target) -> bool:
    """Other tools' markers may speak of what only they know, such as extras of a lock: such a seed is a preference still."""
    if not seed.marker:
        return True
    try:
        return Marker(seed.marker).evaluate({**target.environment(), "extra": ""})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, KeyError):
        return True


def check_seeds(rows: Iterable[LockedArtifact], previous: Lockfile | None, upgrade: Upgrade) -> None:
    """Raises IntegrityError where a version stayed and its file has other bytes than the seed says."""
    known: dict[tuple[str, str], list[Seed]] = {}
    for seed in _kept(previous, upgrade):
        known.setdefault((canonicalize_name(seed.name), seed.version), []).append(seed)
    for row in rows:
        artifact = row.artifact
        for seed in known.get((artifact.name, artifact.version), ()):
            if "index" in artifact.origin and "sdist" not in artifact.origin:
                _check(seed, artifact.file, hex_of(artifact.digest))


def _check(seed: Seed, file: str, found: str) -> None:
    expected = [sha256 for name, sha256 in seed.files if name == file]
    if not expected and not any(name for name, _ in seed.files):
        expected = [sha256 for _, sha256 in seed.files]
    if not expected or found in expected:
        return
    raise IntegrityError(
        f"{seed.source}: {seed.name} {seed.version}",
        f"the index offers another {file} than it has",
        expected=" or ".join(f"sha256:{sha256}" for sha256 in expected[:3]),
        found=f"sha256:{found}",
        hint=f"once you know why, lock without this pin: `airlock lock -P {seed.name}`",
    )
