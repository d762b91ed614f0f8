"""Which locked wheels could be newer, or were withdrawn since."""

from collections.abc import Mapping
from datetime import datetime

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.kinds import Locked, NearSide, Newer
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.cutoff import instant
from airlock.kinds.wheel.releases import Wanted, parsed_version, releases
from airlock.kinds.wheel.section import BuildPolicy, read_section
from airlock.kinds.wheel.simple import Page

KIND = "wheel"


def newer(locked: Locked, near: NearSide) -> tuple[Newer, ...]:
    """See `Packages.newer`."""
    if locked.manifest is None:
        hint = "keep the manifest beside the lock: it says where packages come from"
        raise UsageError(locked.where, "has no airlock.toml beside it", hint=hint)
    section = read_section(locked.manifest, locked.manifest_name)
    cutoff = instant(locked.lockfile.cutoff) if locked.lockfile.cutoff else section.exclude_newer
    rows: dict[tuple[str, str, str, str, str | None], list[str]] = {}
    with IndexClient(near, section, locked.manifest.indexes) as client:
        for name in {_name(artifact) for _, artifact in _pins(locked)}:
            client.page(name)
        for target, artifact in _pins(locked):
            page = client.page(_name(artifact)).result()
            allowed = _newest(page, artifact, target, section.cutoff_of(_name(artifact), cutoff))
            newest = _newest(page, artifact, target, None)
            key = (_name(artifact), artifact.version, allowed, newest, _yanked(page, artifact))
            if allowed or newest or key[-1] is not None:
                rows.setdefault(key, []).append(target.name)
    return tuple(
        Newer(
            name=name, locked=version, targets=tuple(targets), allowed=allowed, newest=newest, yanked=yanked
        )
        for (name, version, allowed, newest, yanked), targets in sorted(
            rows.items(), key=lambda row: (row[0][:4], row[0][4] or "")
        )
    )


def _pins(locked: Locked) -> list[tuple[Target, Artifact]]:
    return [
        (target, artifact)
        for target in locked.lockfile.targets
        for artifact in locked.lockfile.artifacts_for(target.name)
        if artifact.kind == KIND and "index" in artifact.origin
    ]


def _name(artifact: Artifact) -> NormalizedName:
    return canonicalize_name(artifact.name)


def _newest(page: Page, artifact: Artifact, target: Target, cutoff: datetime | None) -> str:
    """Empty where nothing is newer. A pre-release is newer only than a pre-release."""
    locked = parsed_version(artifact.version) or Version("0")
    built = frozenset([_name(artifact)] if "sdist" in artifact.origin else [])
    wanted = Wanted(target=target, exclude_newer=cutoff, build=BuildPolicy(packages=built))
    found = releases(page, _name(artifact), wanted)
    fit = [
        version
        for version, file in found.items()
        if file.yanked is None and (locked.is_prerelease or not version.is_prerelease)
    ]
    newest = max(fit, default=locked)
    return str(newest) if newest > locked else ""


def _yanked(page: Page, artifact: Artifact) -> str | None:
    for row in page.rows:
        if row.get("filename") == artifact.origin.get("sdist", artifact.file):
            return _reason(row)
    return None


def _reason(row: Mapping[str, object]) -> str | None:
    yanked = row.get("yanked")
    if not yanked:
        return None
    return yanked if isinstance(yanked, str) else ""
