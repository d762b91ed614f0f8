"""`lock` for `[[deb]]`: one resolution for each target, and a row for each package."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.utils import canonicalize_name

from airlock.core.artifact import Artifact
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds import PinRequest
from airlock.kinds.deb.base import essential_names, read_base
from airlock.kinds.deb.ground import Ground
from airlock.kinds.deb.offer import Offer
from airlock.kinds.deb.packages import Package, Universe
from airlock.kinds.deb.relations import Relation
from airlock.kinds.deb.repository import Repository, stanza_of
from airlock.kinds.deb.resolve import Question, resolve
from airlock.kinds.deb.rows import KIND, LINKS, package_artifact, text_artifact
from airlock.kinds.deb.section import EMPTY, MINBASE, SYSTEM, DebSection, read_sections
from airlock.kinds.inside import file_inside

_SAME = ("archive", "suite", "path", "control")
"""Of an origin: what does not depend on when, and for which architecture, it was asked for."""


def pin(request: PinRequest) -> tuple[LockedArtifact, ...]:
    """See `Kind.pin`."""
    offer = Offer(request)
    rows: list[LockedArtifact] = []
    for section in read_sections(request.manifest, request.where):
        for declared in request.manifest.targets:
            if declared.target.name in section.targets:
                found = _pinned(section, declared.target, offer)
                rows += [LockedArtifact(artifact=one, targets=(declared.target.name,)) for one in found]
    return tuple(_merged(rows))


def _pinned(section: DebSection, target: Target, offer: Offer) -> Iterator[Artifact]:
    request = offer.request
    artifacts = [_artifact(package, section, request) for package in resolved(section, target, offer)]
    yield from artifacts
    if section.mode == SYSTEM:
        repository = Repository(
            section=section,
            architecture=section.architecture_of(target),
            project=request.manifest.project,
            target=target,
        )
        yield from repository.artifacts(artifacts, offer.date(section), request)
    elif section.links:
        text = "".join(f"{link} {to}\n" for link, to in sorted(section.links.items()))
        yield _stored(text_artifact(LINKS, text.encode(), section), request)


def resolved(section: DebSection, target: Target, offer: Offer) -> tuple[Package, ...]:
    """What one target gets, by name. Raises as `Kind.pin`."""
    universe = offer.universe(section, section.architecture_of(target))
    ground = Ground(universe, _base(section, universe, offer.request))
    question = Question(
        ground=ground,
        packages=section.packages,
        recommends=section.recommends,
        previous=_previous(offer.request, target.name),
    )
    packages = resolve(question, section.where)
    _tell(section, packages, ground, offer.request)
    return packages


def _stored(artifact: Artifact, request: PinRequest) -> Artifact:
    request.near.store.put([artifact.origin["text"].encode()], artifact.digest)
    return artifact


def _base(section: DebSection, universe: Universe, request: PinRequest) -> Iterable[Package]:
    if section.base == EMPTY:
        return ()
    if section.base == MINBASE:
        nothing = Ground(universe, ())
        wanted = tuple(Relation(name) for name in essential_names(universe))
        found = resolve(Question(ground=nothing, packages=wanted), f"{section.where}.base")
        return tuple(replace(one, path="", size=0, digest=None, origin=None) for one in found)
    file = file_inside(request.near.directory, section.base, f"{section.where}.base", UsageError)
    return read_base(file.read_bytes(), section.base, universe)


def _previous(request: PinRequest, target: str) -> dict[str, str]:
    """Versions that may stay."""
    previous = request.previous.artifacts_for(target) if request.previous else ()
    return {
        one.name: one.version
        for one in previous
        if one.kind == KIND and one.version and request.upgrade.keeps(canonicalize_name(one.name))
    }


def _artifact(package: Package, section: DebSection, request: PinRequest) -> Artifact:
    """With the origin that the lock before had, where the file is the same: who vouched for it then still does."""
    control = stanza_of(package) if section.mode == SYSTEM else ""
    artifact = package_artifact(package, section, control)
    for known in request.previous.artifacts if request.previous else ():
        before = known.artifact
        same = before.digest == artifact.digest and before.kind == KIND
        if same and all(before.origin.get(key) == artifact.origin.get(key) for key in _SAME):
            return replace(artifact, origin=before.origin)
    return artifact


def _tell(section: DebSection, packages: tuple[Package, ...], ground: Ground, request: PinRequest) -> None:
    carried = {package.name for package in packages}
    for relation in section.packages:
        if relation.name in ground.base and relation.name not in carried:
            version = ground.base[relation.name].version
            request.near.reporter.note(f"{relation.name} {version} is in the base and needs not be carried")


def _merged(rows: list[LockedArtifact]) -> Iterator[LockedArtifact]:
    """What several targets have alike is one row, though the index of each architecture vouches for it."""
    found: dict[tuple[object, ...], list[LockedArtifact]] = {}
    for row in rows:
        artifact = row.artifact
        key = (artifact.name, artifact.digest, *artifact.placement.items(), *map(artifact.origin.get, _SAME))
        found.setdefault(key, []).append(row)
    for same in found.values():
        yield replace(same[0], targets=tuple(sorted(name for row in same for name in row.targets)))
