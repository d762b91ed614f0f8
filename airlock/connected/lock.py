"""`airlock lock`: from the manifest and the lock before it to a lock. Knows no kind by name."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from packaging.utils import canonicalize_name

from airlock.core.artifact import Artifact, Encoder
from airlock.core.canonical_json import dumps
from airlock.core.codecs import SETS, best_set
from airlock.core.codecs import check as check_codecs
from airlock.core.digest import Digest, digest_of
from airlock.errors import UsageError
from airlock.formats.documents import PinnedDocuments
from airlock.formats.exceptions import write_exception
from airlock.formats.lockfile import Cutoff, LockedArtifact, Lockfile
from airlock.formats.manifest import Manifest
from airlock.formats.rows import write_health, write_project, write_target
from airlock.kinds import Kind, NearSide, Packages, PinRequest, Trees, Upgrade
from airlock.kinds.registry import kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    manifest: Manifest
    where: str
    """The manifest's file name, for messages."""
    directory: Path
    """Where the manifest is."""
    previous: Lockfile | None
    upgrade: Upgrade
    level: int | None = None
    """zstd's, for bundles; None for that of the previous lock."""
    codecs: str | None = None
    """The set of codecs; None for that of the previous lock, or the largest at hand."""
    doubtful: bool = False
    """The previous pins contradict each other, or the manifest: they are where to start from, and no answer."""
    exhaustive: bool = False
    """Take no short cut past releases that are likely in vain."""
    now: datetime | None = None
    """What a cooldown is reckoned from where the previous lock has no instant for it."""


def inputs(manifest: Manifest, where: str, directory: Path) -> dict[str, Digest]:
    """A fingerprint of each part of the manifest. Touches no network. Raises UsageError."""
    found = {
        "project": _fingerprint(write_project(manifest.project)),
        "targets": _fingerprint([write_target(declared.target) for declared in manifest.targets]),
        "hooks": _fingerprint(write_health(manifest.health) if manifest.health else {}),
    }
    if manifest.exceptions:
        found["audit"] = _fingerprint([write_exception(one) for one in manifest.exceptions])
    if manifest.documents:
        found["documents"] = _fingerprint(list(manifest.documents))
    for kind in _asked(manifest):
        found[kind.section] = kind.fingerprint(manifest, where, directory)
        if isinstance(kind, Trees):
            found |= kind.trees(manifest, where, directory)
    return found


def check(request: LockRequest) -> tuple[str, ...]:
    """The parts of the manifest, and the trees that it names (as `python.source`), that the previous lock does not answer,
    sorted; none where it is up to date."""
    now = inputs(request.manifest, request.where, request.directory)
    seeds = ("seeds",) if request.previous and request.previous.seeds else ()
    return (*differing(now, request.previous), *seeds)


def differing(now: Mapping[str, Digest], previous: Lockfile | None) -> tuple[str, ...]:
    before = previous.inputs if previous else {}
    return tuple(sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name)))


def unchanged(request: LockRequest) -> Lockfile | None:
    """The lock where nothing is to be pinned anew, which may still have another level than before. Touches no network."""
    previous = request.previous
    if previous is None or request.doubtful or _upgrades(request.upgrade) or check(request):
        return None
    return replace(previous, encoder=_encoder(request))


def lock(request: LockRequest, near: NearSide) -> Lockfile:
    """Pin what changed; what did not change keeps its pins unless an upgrade is asked for, and where nothing changed the
    previous lock is the answer. Raises UsageError, ResolutionError, FetchError or IntegrityError."""
    if (same := unchanged(request)) is not None:
        return same
    now = inputs(request.manifest, request.where, request.directory)
    changed = differing(now, request.previous)
    cutoff = _cutoff(request)
    _check_names(request)
    artifacts: list[LockedArtifact] = []
    for kind in _asked(request.manifest):
        artifacts += (
            _kept(request.previous, kind)
            if _keeps(request, kind, changed)
            else _pin(kind, request, near, cutoff)
        )
    _check_destinations(artifacts, request.where)
    return Lockfile(
        project=request.manifest.project,
        encoder=_encoder(request),
        inputs=now,
        targets=tuple(declared.target for declared in request.manifest.targets),
        health=request.manifest.health,
        artifacts=tuple(artifacts),
        cutoff=cutoff,
        exceptions=request.manifest.exceptions,
        documents=_documents(request),
    )


def _keeps(request: LockRequest, kind: Kind, changed: Collection[str]) -> bool:
    previous = request.previous
    return (
        previous is not None
        and not previous.seeds
        and not request.doubtful
        and not any(name.split(".")[0] == kind.section for name in changed)
        and not _upgrades(request.upgrade)
    )


def _cutoff(request: LockRequest) -> Cutoff | None:
    """The previous instant stays until everything is upgraded, or the manifest says something else."""
    previous = request.previous.cutoff if request.previous and not request.upgrade.everything else None
    for kind in _asked(request.manifest):
        if isinstance(kind, Packages) and (
            found := kind.cutoff(request.manifest, request.where, previous, request.now)
        ):
            return found
    return None


def _pin(
    kind: Kind, request: LockRequest, near: NearSide, cutoff: Cutoff | None
) -> tuple[LockedArtifact, ...]:
    return kind.pin(
        PinRequest(
            manifest=request.manifest,
            where=request.where,
            near=near,
            previous=request.previous,
            upgrade=request.upgrade,
            cutoff=cutoff,
            exhaustive=request.exhaustive,
            now=request.now,
        )
    )


def _check_destinations(artifacts: Iterable[LockedArtifact], where: str) -> None:
    """Each kind sees its own destinations only; two kinds may still want one path. The very same file twice is no conflict."""
    claimed: dict[tuple[str, str], Artifact] = {}
    for one in artifacts:
        if (destination := one.artifact.placement.get("destination")) is None:
            continue
        for target in one.targets:
            other = claimed.setdefault((target, destination), one.artifact)
            if _as_file(other) != _as_file(one.artifact):
                raise UsageError(
                    where, f"{other.label} and {one.artifact.label} have one destination on {target!r}"
                )


def _as_file(artifact: Artifact) -> tuple[Digest, str]:
    return artifact.digest, artifact.placement.get("mode", "")


def _kept(previous: Lockfile | None, kind: Kind) -> Iterable[LockedArtifact]:
    return [one for one in (previous.artifacts if previous else ()) if one.artifact.kind == kind.name]


def _asked(manifest: Manifest) -> list[Kind]:
    return [kind for kind in kinds() if kind.section in manifest.sections]


def _upgrades(upgrade: Upgrade) -> bool:
    return upgrade.everything or bool(upgrade.names)


def _documents(request: LockRequest) -> PinnedDocuments | None:
    """What makes documents is a pin as the encoder is: it moves only with everything else."""
    before, forms = request.previous and request.previous.documents, request.manifest.documents
    if before and before.sbom == forms and not request.upgrade.everything:
        return before
    if not forms:
        return None
    from airlock.connected.documents import pin_documents

    return pin_documents(forms, request.where)


def _encoder(request: LockRequest) -> Encoder:
    """The encoder is a pin as well: it moves only with everything else, and its level only where one is asked for."""
    before = request.previous.encoder if request.previous else None
    if request.codecs:
        check_codecs(SETS[request.codecs], f"--codecs {request.codecs}")
    if before and not request.upgrade.everything:
        return replace(before, level=request.level or before.level, codecs=request.codecs or before.codecs)
    from airlock.storage.frames import DEFAULT_LEVEL, this_encoder

    level = request.level or (before.level if before else DEFAULT_LEVEL)
    return this_encoder(level, request.codecs or (before.codecs if before else best_set()))


def _check_names(request: LockRequest) -> None:
    previous = request.previous
    known = {one.artifact.name for one in (previous.artifacts if previous else ())}
    known |= {seed.name for seed in (previous.seeds if previous else ())}
    spelt = known | {canonicalize_name(name) for name in known}
    for name in sorted(request.upgrade.names - spelt):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else None
        raise UsageError("--upgrade-package", f"the lock has no {name!r}", hint=hint)


def _fingerprint(document: object) -> Digest:
    return digest_of(dumps(document))
