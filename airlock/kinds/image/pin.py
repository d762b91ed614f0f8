"""`[[image]]` pinned: which manifest a reference leads to is asked once, and again only where that is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from airlock.core.digest import Digest, parse_digest
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.kinds import PinRequest
from airlock.kinds.image.gather import Image, gather
from airlock.kinds.image.rows import KIND, rows
from airlock.kinds.image.section import Entry, read_section
from airlock.kinds.image.sources import Pinned, source_of
from airlock.oci.platform import Platform

_AT_ONCE = 8


def pin(request: PinRequest) -> tuple[LockedArtifact, ...]:
    entries = read_section(request.manifest, request.where)
    targets = [declared.target for declared in request.manifest.targets]
    wanted = [
        (entry, target.name, entry.platform_for(target))
        for entry in entries
        for target in targets
        if target.name in entry.targets
    ]
    platforms: dict[Entry, list[Platform]] = {}
    for entry, _, platform in wanted:
        if platform not in platforms.setdefault(entry, []):
            platforms[entry].append(platform)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = list(pool.map(lambda item: _gathered(item[0], item[1], request), platforms.items()))
    images = {(image.entry, image.platform): image for found in done for image in found}
    by_target: dict[str, list[Image]] = {}
    for entry, target_name, platform in wanted:
        by_target.setdefault(target_name, []).append(images[entry, platform])
    return rows(by_target)


def _gathered(entry: Entry, platforms: Sequence[Platform], request: PinRequest) -> list[Image]:
    pinned = _pinned(entry, request)
    with source_of(entry, request.manifest, request.near, pinned) as source:
        return [gather(entry, platform, source, request.near.reporter) for platform in platforms]


def _pinned(entry: Entry, request: PinRequest) -> Pinned | None:
    """What the previous lock has, where it may stay."""
    if request.previous is None or not request.upgrade.keeps(entry.name):
        return None
    for locked in request.previous.artifacts:
        artifact = locked.artifact
        if (artifact.kind, artifact.name, dict(artifact.origin)) == (KIND, entry.name, entry.origin):
            asked = "signatures" not in artifact.placement
            return Pinned(top=artifact.digest, beside=_beside(request.previous) if asked else None)
    return None


def _beside(previous: Lockfile) -> Mapping[Digest, Sequence[tuple[str, Digest]]]:
    found: dict[Digest, list[tuple[str, Digest]]] = {}
    for of, tag, digest in sorted(set(_referring(previous))):
        found.setdefault(of, []).append((tag, digest))
    return found


def _referring(previous: Lockfile) -> Iterator[tuple[Digest, str, Digest]]:
    for locked in previous.artifacts:
        placement = locked.artifact.placement
        if locked.artifact.kind == KIND and "of" in placement:
            where = f"{locked.artifact.label}: placement.of"
            yield parse_digest(placement["of"], where), placement.get("tag", ""), locked.artifact.digest
