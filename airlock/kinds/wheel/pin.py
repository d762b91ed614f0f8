"""Pin the requirements of every target to exact wheels."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.markers import undecided_python
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.kinds import NearSide, PinRequest, Upgrade
from airlock.kinds.download import download_unmeasured
from airlock.kinds.wheel.align import aligned
from airlock.kinds.wheel.attestations import change
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.cutoff import instant
from airlock.kinds.wheel.metadata import Metadata
from airlock.kinds.wheel.origins import wheel_origin
from airlock.kinds.wheel.releases import WheelFile, learned, parsed_version
from airlock.kinds.wheel.resolve import Pins, Preferred, Task, resolve
from airlock.kinds.wheel.sdists import Sdists, built_artifact, how_built
from airlock.kinds.wheel.section import SECTION, PythonSection, read_section
from airlock.kinds.wheel.seeds import check_seeds, seeded

if TYPE_CHECKING:
    from airlock.kinds.wheel.building.builder import BuiltWheel
    from airlock.kinds.wheel.given import Given, References
    from airlock.kinds.wheel.own import OwnWheel

KIND = "wheel"


def pin(request: PinRequest) -> tuple[LockedArtifact, ...]:
    """See `Kind.pin`."""
    if SECTION not in request.manifest.sections:
        return ()
    section = read_section(request.manifest, request.where)
    if request.cutoff is not None and section.exclude_newer is None:
        section = replace(section, exclude_newer=instant(request.cutoff))
    targets = [declared.target for declared in request.manifest.targets]
    with IndexClient(request.near, section, request.manifest.indexes, targets) as client:
        sdists = Sdists(request, section, client)
        pinned = _Pinned(request, section, client, sdists)
        task = Task(
            section=section,
            where=request.where,
            client=client,
            own={},
            given={},
            sdists=sdists,
            directory=request.near.directory,
            exhaustive=request.exhaustive,
        )
        pinned.resolve(task, targets)
        for target in targets:
            pinned.take(target)
        return pinned.rows()


class _Pinned:
    """What each target gets: resolved for all of them, then taken for one after the other."""

    def __init__(
        self, request: PinRequest, section: PythonSection, client: IndexClient, sdists: Sdists
    ) -> None:
        self._request, self._section, self._client, self._sdists = request, section, client, sdists
        self._pins: Mapping[str, Pins] = {}
        self._own: dict[str, OwnWheel | None] = {}
        self._given: dict[str, dict[NormalizedName, Given]] = {}
        self._found: dict[tuple[object, ...], Artifact] = {}
        self._targets: dict[tuple[object, ...], set[str]] = {}
        self._builds: dict[tuple[object, ...], set[str]] = {}
        if section.source is not None:
            from airlock.kinds.wheel.own import warn_untracked

            warn_untracked(section.source, request.near)

    @cached_property
    def _references(self) -> "References":
        from airlock.kinds.wheel.given import References

        return References(self._request, self._section, self._sdists)

    def resolve(self, task: Task, targets: Iterable[Target]) -> None:
        previous, upgrade = self._request.previous, self._request.upgrade
        tasks: dict[str, tuple[Task, Target]] = {}
        pins: dict[str, Pins] = {}
        for target in targets:
            own = self._own[target.name] = self._build_own(target)
            given = self._given[target.name] = self._given_on(target)
            files = {name: (one.file, one.metadata) for name, one in given.items()}
            mine = replace(task, own=own.files if own else {}, given=files)
            tasks[target.name] = mine, target
            pins[target.name] = resolve(mine, target, _preferred(target, previous, upgrade, pins.values()))
        kept = {one.artifact.name for one in (previous.artifacts if previous else ())}
        self._pins = aligned(
            pins,
            lambda name, preferred: resolve(*tasks[name], preferred),
            lambda name: name not in kept or not upgrade.keeps(name),
        )

    def take(self, target: Target) -> None:
        own, given, pins = self._own[target.name], self._given[target.name], self._pins[target.name]
        for file in pins.values():
            self._client.publisher(file)
        for file in pins.values():
            if file.name in given:
                key = self._key(self._referred(given[file.name]))
            else:
                key = self._key(self._artifact(file, own, target))
            self._targets.setdefault(key, set()).add(target.name)

    def _key(self, artifact: Artifact) -> tuple[object, ...]:
        key = (artifact.name, artifact.file, artifact.digest, *sorted(artifact.origin.items()))
        self._found.setdefault(key, artifact)
        return key

    def _given_on(self, target: Target) -> "dict[NormalizedName, Given]":
        return self._references.on(target) if self._section.references() else {}

    def _build_own(self, target: Target) -> "OwnWheel | None":
        if self._section.source is None:
            return None
        from airlock.kinds.wheel.own import build_own

        version = self._request.manifest.project.version
        return build_own(self._section.source, version, target, self._sdists, self._request.near)

    def _referred(self, given: "Given") -> Artifact:
        if given.built is not None:
            self._built_with(given.built)
        return given.artifact

    def _artifact(self, file: WheelFile, own: "OwnWheel | None", target: Target) -> Artifact:
        if own is not None and file.name in own.files:
            self._built_with(own.built)
            return built_artifact(own.built, {"source": str(self._section.source), **how_built(own.built)})
        _check_yanked(file, self._request)
        if file.is_sdist:
            built, sdist = self._sdists.wheel(file, target)
            self._built_with(built)
            return built_artifact(built, self._sdists.origin(built, sdist))
        whole = _whole(file, self._request.near)
        return _artifact(whole, wheel_origin(file, whole, self._client, self._request.near))

    def _tell(self, rows: Iterable[LockedArtifact]) -> None:
        """What the user should know of the pins, once each."""
        before = _publishers(self._request.previous)
        found = []
        for artifact in (row.artifact for row in rows if row.targets and "index" in row.artifact.origin):
            status = self._client.page(canonicalize_name(artifact.name)).result().status
            if status.name in ("archived", "deprecated"):
                found.append(f"{artifact.name} is {status}")
            if text := change(
                artifact.name, artifact.version, before.get(artifact.name, {}), artifact.origin
            ):
                found.append(text)
        for text in dict.fromkeys([*found, *self._patches()]):
            self._request.near.reporter.warn(text)

    def _patches(self) -> Iterator[str]:
        """Pins that some patch releases of a target's Python could not use."""
        for declared in self._request.manifest.targets:
            for file in self._pins[declared.target.name].values():
                outcome = self._client.metadata(file).result() if file.url and not file.is_sdist else None
                if isinstance(outcome, Metadata) and undecided_python(
                    outcome.requires_python, declared.target
                ):
                    yield (
                        f"{file.name} {file.version} needs Python {outcome.requires_python}, which not every patch "
                        f"release of target {declared.target.name} is: see that the machine's is, or raise its python"
                    )

    def _built_with(self, built: "BuiltWheel") -> None:
        for row in built.rows:
            self._builds.setdefault(self._key(row.artifact), set()).update(row.builds)

    def rows(self) -> tuple[LockedArtifact, ...]:
        """One for each file, whatever uses it."""
        rows = tuple(
            LockedArtifact(
                artifact=artifact,
                targets=tuple(sorted(self._targets.get(key, ()))),
                builds=tuple(sorted(self._builds.get(key, ()))),
            )
            for key, artifact in self._found.items()
        )
        _tell_rebuilt(rows, self._request)
        _check_unchanged(rows, self._request)
        check_seeds(rows, self._request.previous, self._request.upgrade)
        self._tell(rows)
        return rows


def _publishers(previous: Lockfile | None) -> dict[str, Mapping[str, str]]:
    return {
        one.artifact.name: one.artifact.origin
        for one in (previous.artifacts if previous else ())
        if one.artifact.kind == KIND and one.targets
    }


def _preferred(
    target: Target, previous: Lockfile | None, upgrade: Upgrade, earlier: Iterable[Pins]
) -> Preferred:
    found: dict[NormalizedName, dict[Version, None]] = {}
    for name, version in (
        *seeded(previous, target, upgrade),
        *_previous_pins(target, previous, upgrade),
    ):
        found.setdefault(name, {})[version] = None
    for pins in earlier:
        for name, file in pins.items():
            found.setdefault(name, {})[file.version] = None
    return {name: tuple(versions) for name, versions in found.items()}


def _previous_pins(
    target: Target, previous: Lockfile | None, upgrade: Upgrade
) -> Iterable[tuple[NormalizedName, Version]]:
    """Pins of this target first, then those of others, so that a new target starts from what the others have."""
    locked = sorted(previous.artifacts if previous else (), key=lambda one: target.name not in one.targets)
    for one in locked:
        version = parsed_version(one.artifact.version)
        if one.artifact.kind == KIND and one.targets and version and upgrade.keeps(one.artifact.name):
            yield canonicalize_name(one.artifact.name), version


def _whole(file: WheelFile, near: NearSide) -> WheelFile:
    """The file with its sha256 and size, which are in its own bytes where the index does not give them."""
    if file.digest is not None and file.size is not None:
        return file
    if file.digest is not None and file.digest in near.store:
        return learned(file, file.digest, near.store.path(file.digest).stat().st_size)
    return learned(file, *download_unmeasured(file.url, file.digest, file.file, near, file.size))


def _artifact(file: WheelFile, origin: Mapping[str, str]) -> Artifact:
    assert file.digest is not None and file.size is not None, "made whole before"
    return Artifact(
        kind=KIND,
        name=file.name,
        version=str(file.version),
        file=file.file,
        size=file.size,
        digest=file.digest,
        origin=origin,
    )


def _check_yanked(file: WheelFile, request: PinRequest) -> None:
    if file.yanked is not None:
        reason = f": {file.yanked}" if file.yanked else ""
        request.near.reporter.warn(
            f"{file.name} {file.version} was withdrawn by its authors (yanked){reason}"
        )


def _is_published(artifact: Artifact) -> bool:
    return "index" in artifact.origin and "sdist" not in artifact.origin


def _check_unchanged(rows: Iterable[LockedArtifact], request: PinRequest) -> None:
    """A published file never changes; where it does, somebody should know why before it is taken."""
    before = {
        (one.artifact.file, one.artifact.origin.get("index")): one.artifact
        for one in (request.previous.artifacts if request.previous else ())
        if one.artifact.kind == KIND and request.upgrade.keeps(one.artifact.name)
    }
    for row in rows:
        artifact = row.artifact
        old = before.get((artifact.file, artifact.origin.get("index")))
        if old is not None and old.digest != artifact.digest and _is_published(artifact):
            raise IntegrityError(
                f"index {artifact.origin['index']}: {artifact.file}",
                "the index offers another file than the lock has",
                expected=old.digest,
                found=artifact.digest,
                hint=f"once you know why, take it with `airlock lock --upgrade-package {artifact.name}`",
            )


def _tell_rebuilt(rows: Iterable[LockedArtifact], request: PinRequest) -> None:
    """Another machine, or a build that is not reproducible, makes another wheel of the same source."""
    before = {
        _source(one.artifact): one.artifact.digest
        for one in (request.previous.artifacts if request.previous else ())
        if "sdist" in one.artifact.origin
    }
    for artifact in (row.artifact for row in rows):
        if before.get(_source(artifact), artifact.digest) != artifact.digest:
            request.near.reporter.warn(
                f"{artifact.name} {artifact.version} was built anew, and is another wheel than the lock had"
            )


def _source(artifact: Artifact) -> tuple[str | None, ...]:
    return artifact.name, *(artifact.origin.get(key) for key in ("sdist-sha256", "python"))
