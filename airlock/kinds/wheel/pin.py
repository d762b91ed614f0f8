"""Pin the requirements of every target to exact wheels."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.target import Target
from airlock.errors import IntegrityError, ResolutionError
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.kinds import NearSide, PinRequest, Upgrade
from airlock.kinds.download import download_unmeasured
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.own import OwnWheel, build_own
from airlock.kinds.wheel.releases import WheelFile, learned, parsed_version, tag_ranks
from airlock.kinds.wheel.resolve import Pins, Preferred, Task, resolve
from airlock.kinds.wheel.section import SECTION, PythonSection, read_section

KIND = "wheel"


def pin(request: PinRequest) -> tuple[LockedArtifact, ...]:
    """See `Kind.pin`."""
    if SECTION not in request.manifest.sections:
        return ()
    section = read_section(request.manifest, request.where)
    if request.cutoff is not None:
        section = replace(section, exclude_newer=request.cutoff)
    targets = [declared.target for declared in request.manifest.targets]
    own = build_own(section.source, request.near) if section.source is not None else None
    with IndexClient(request.near, section, request.manifest.indexes) as client:
        task = Task(section=section, where=request.where, client=client, own=own.files if own else {})
        pins = _resolve_all(task, targets, request)
    return _rows(pins, section, own, request)


def _resolve_all(task: Task, targets: Iterable[Target], request: PinRequest) -> dict[str, Pins]:
    """One target after the other, in the manifest's order, each inclined to what those before it got."""
    pins: dict[str, Pins] = {}
    for target in targets:
        for file, _ in task.own.values():
            _check_own(file, target, request.where)
        preferred = _preferred(target, request.previous, request.upgrade, pins.values())
        pins[target.name] = resolve(task, target, preferred)
    return pins


def _preferred(
    target: Target, previous: Lockfile | None, upgrade: Upgrade, earlier: Iterable[Pins]
) -> Preferred:
    found: dict[NormalizedName, dict[Version, None]] = {}
    for name, version in _previous_pins(target, previous, upgrade):
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
        if one.artifact.kind == KIND and version and upgrade.keeps(one.artifact.name):
            yield canonicalize_name(one.artifact.name), version


def _check_own(file: WheelFile, target: Target, where: str) -> None:
    parts = file.file.removesuffix(".whl").split("-")[-3:]
    tags = [
        f"{a}-{b}-{c}" for a in parts[0].split(".") for b in parts[1].split(".") for c in parts[2].split(".")
    ]
    if not any(tag in tag_ranks(target) for tag in tags):
        raise ResolutionError(
            where,
            f"the project's own wheel does not fit target {target.name}",
            expected=f"a wheel for {target.platform}",
            found=file.file,
            hint="airlock builds the project itself only where it is pure Python: put wheels of it on an index",
        )


def _rows(
    pins: Mapping[str, Pins], section: PythonSection, own: OwnWheel | None, request: PinRequest
) -> tuple[LockedArtifact, ...]:
    users: dict[WheelFile, list[str]] = {}
    for target, files in pins.items():
        for file in files.values():
            users.setdefault(file, []).append(target)
    rows = []
    for file, targets in users.items():
        if own is not None and file.name in own.files:
            origin = {"source": str(section.source)}
        else:
            file, origin = _whole(file, request.near), {"index": file.index}
            _check_yanked(file, request)
        rows.append(LockedArtifact(artifact=_artifact(file, origin), targets=tuple(sorted(targets))))
    _check_unchanged(rows, request)
    return tuple(rows)


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
        if old is not None and old.digest != artifact.digest and "index" in artifact.origin:
            raise IntegrityError(
                f"index {artifact.origin['index']}: {artifact.file}",
                "the index offers another file than the lock has",
                expected=old.digest,
                found=artifact.digest,
                hint=f"once you know why, take it with `airlock lock --upgrade-package {artifact.name}`",
            )
