"""Direct references of the manifest, made into wheels: no index has a say in these packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, chunks_of, hex_of
from airlock.core.target import Target
from airlock.errors import IntegrityError, ResolutionError, UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide, PinRequest
from airlock.kinds.download import download, download_unmeasured
from airlock.kinds.wheel import git
from airlock.kinds.wheel.building.builder import BuiltWheel
from airlock.kinds.wheel.building.sources import Source
from airlock.kinds.wheel.building.trees import tree_source
from airlock.kinds.wheel.metadata import Metadata, Unusable, applies, parse_metadata
from airlock.kinds.wheel.references import ARCHIVES, Reference
from airlock.kinds.wheel.releases import WheelFile, expanded_tags, tag_ranks
from airlock.kinds.wheel.remote import metadata_in
from airlock.kinds.wheel.sdists import Sdists, how_built, stored_source
from airlock.kinds.wheel.section import SECTION, PythonSection, read_section

KIND = "wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The wheel that a reference is for one target, and what the lock says of where it came from."""

    file: WheelFile
    metadata: Metadata
    origin: Mapping[str, str]
    built: BuiltWheel | None

    @property
    def artifact(self) -> Artifact:
        file = self.file
        assert file.digest is not None and file.size is not None, "in the store"
        return Artifact(
            kind=KIND,
            name=file.name,
            version=str(file.version),
            file=file.file,
            size=file.size,
            digest=file.digest,
            origin=self.origin,
        )


@dataclass(slots=True)
class References:
    """The references of one lock. What does not depend on the target is had once."""

    request: PinRequest
    section: PythonSection
    sdists: Sdists
    _wheels: dict[str, Given] = field(default_factory=dict)
    _archives: dict[str, git.Archived] = field(default_factory=dict)

    def on(self, target: Target) -> dict[NormalizedName, Given]:
        """Raises UsageError where two of them name one package, ResolutionError where one is no wheel for the target."""
        chosen: dict[NormalizedName, Reference] = {}
        for reference in self.section.references():
            if not applies(reference.requirement, target, frozenset()):
                continue
            other = chosen.setdefault(reference.name, reference)
            if other.requirement.url != reference.requirement.url:
                what = f"{reference.name} comes from two places on target {target.name}"
                raise UsageError(
                    f"{self.request.where}: {SECTION}", what, hint="let their markers exclude each other"
                )
        return {name: self._given(reference, target) for name, reference in chosen.items()}

    def _given(self, reference: Reference, target: Target) -> Given:
        if not reference.is_wheel:
            return self._built(reference, target)
        url = reference.requirement.url or ""
        if url not in self._wheels:
            self._wheels[url] = self._wheel(reference)
        found = self._wheels[url]
        _check_fits(found.file, target, self.request.where)
        return found

    def _wheel(self, reference: Reference) -> Given:
        try:
            name, version, _, _ = parse_wheel_filename(reference.file)
        except InvalidWheelFilename as error:
            raise UsageError(f"{self.request.where}: {SECTION}", f"{reference.label}: {error}") from error
        digest, size = self._bytes(reference)
        with self.request.near.store.open(digest, reference.file) as stream:
            data = metadata_in(stream, reference.file)
        file = _file(reference, name, reference.file, digest, size, str(version))
        origin = {"reference": reference.way} | _place(reference)
        return Given(file=file, metadata=_metadata(data, file, reference), origin=origin, built=None)

    def _bytes(self, reference: Reference) -> tuple[Digest, int]:
        """A file, put into the store, as the manifest or the lock before says it is."""
        near, digest = self.request.near, reference.digest or self._before(reference)
        if reference.way == "path":
            return _take_in(reference, digest, near)
        try:
            return download_unmeasured(reference.place, digest, reference.label, near)
        except IntegrityError as error:
            take = f"once you know why, take it with `airlock lock --upgrade-package {reference.name}`"
            raise IntegrityError(
                reference.label,
                f"is another file than {'the manifest says' if reference.digest else 'was locked'}",
                expected=error.expected,
                found=error.found,
                hint="find out why; its #sha256= says which file is meant" if reference.digest else take,
            ) from error

    def _before(self, reference: Reference) -> Digest | None:
        """What an address had when it was locked. A local file is the user's own to change."""
        if reference.way != "url":
            return None
        for artifact in self._locked(reference):
            if artifact.file == reference.file:
                return artifact.digest
            if artifact.origin.get("archive") == reference.file:
                return Digest(f"sha256:{artifact.origin.get('archive-sha256', '')}")
        return None

    def _locked(self, reference: Reference) -> list[Artifact]:
        previous, upgrade = self.request.previous, self.request.upgrade
        return [
            one.artifact
            for one in (previous.artifacts if previous else ())
            if one.artifact.kind == KIND
            and one.artifact.name == reference.name
            and one.artifact.origin.get("reference") == reference.way
            and upgrade.keeps(reference.name)
        ]

    def _built(self, reference: Reference, target: Target) -> Given:
        source, origin = self._source(reference)
        built = self.sdists.tree(source, target)
        file = _file(reference, built.name, built.file, built.digest, built.size, str(built.version))
        return Given(
            file=file,
            metadata=_metadata(built.metadata, file, reference),
            origin={"reference": reference.way, **origin, **how_built(built)},
            built=built,
        )

    def _source(self, reference: Reference) -> tuple[Source, dict[str, str]]:
        near = self.request.near
        label = f"{reference.name} from {reference.way}"
        if reference.way == "git":
            found = self._archived(reference)
            origin = {"commit": found.commit, "tree": found.tree, "archive-sha256": hex_of(found.digest)}
            origin |= {"revision": reference.revision} if reference.revision else {}
            origin |= {"subdirectory": reference.subdirectory} if reference.subdirectory else {}
            source = stored_source(label, "tree.tar", found.digest, near.store)
            return replace(source, version=lambda: self._version(reference, found.commit)), origin
        if reference.way == "path" and not reference.file.endswith(ARCHIVES):
            return tree_source(label, near.directory / reference.place), _place(reference)
        digest, _ = self._bytes(reference)
        origin = {"archive": reference.file, "archive-sha256": hex_of(digest)} | _place(reference)
        origin |= {"subdirectory": reference.subdirectory} if reference.subdirectory else {}
        return stored_source(label, reference.file, digest, near.store, reference.subdirectory), origin

    def _version(self, reference: Reference, commit: str) -> str:
        """By the tags, which may move: what was locked of the commit stays."""
        locked = (one.version for one in self._locked(reference) if one.origin.get("commit") == commit)
        return next(locked, None) or git.version(reference, commit, self.request.near)

    def _archived(self, reference: Reference) -> git.Archived:
        """The commit that was locked stays until it is to be upgraded, or another revision is asked for."""
        url = reference.requirement.url or ""
        if url not in self._archives:
            commits = [
                artifact.origin.get("commit")
                for artifact in self._locked(reference)
                if artifact.origin.get("revision", "") == reference.revision
            ]
            self._archives[url] = git.archive(reference, commits[0] if commits else None, self.request.near)
        return self._archives[url]


def _place(reference: Reference) -> dict[str, str]:
    """An address holds a host, which no lock does; a path is the project's own."""
    return {"path": reference.place} if reference.way == "path" else {}


def _file(
    reference: Reference, name: NormalizedName, file: str, digest: Digest, size: int, version: str
) -> WheelFile:
    from packaging.version import Version

    if name != reference.name:
        raise ResolutionError(
            reference.label, "is another package", expected=reference.name, found=f"{name} {version}"
        )
    return WheelFile(
        name=name,
        version=Version(version),
        file=file,
        index="",
        url="",
        digest=digest,
        size=size,
        metadata=None,
        yanked=None,
    )


def _metadata(data: bytes, file: WheelFile, reference: Reference) -> Metadata:
    try:
        return parse_metadata(data, file.file, file.name, file.version)
    except Unusable as error:
        raise ResolutionError(reference.label, str(error)) from error


def _check_fits(file: WheelFile, target: Target, where: str) -> None:
    tags = expanded_tags(*file.file.removesuffix(".whl").split("-")[-3:])
    if not any(tag in tag_ranks(target) for tag in tags):
        raise ResolutionError(
            where,
            f"the wheel that is named for {file.name} does not fit target {target.name}",
            expected=f"a wheel for Python {target.python} on {target.platform}",
            found=file.file,
            hint="name another one for this target: a marker says which is whose",
        )


def _take_in(reference: Reference, digest: Digest | None, near: NearSide) -> tuple[Digest, int]:
    try:
        with (near.directory / reference.place).open("rb") as stream:
            return near.store.put(chunks_of(stream), digest, reference.label)
    except OSError as error:
        raise UsageError(reference.label, f"{reference.place!r} cannot be read, {error.strerror}") from error


def obtain_given(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """Bring a wheel that no build makes into the store again. Raises FetchError or IntegrityError."""
    reference = declared(artifact, manifest)
    if reference.way == "path":
        _take_in(reference, artifact.digest, near)
    else:
        download(reference.place, artifact, near)


def source_given(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> Source:
    """The source that a wheel was built from, as the lock has it. Raises FetchError or IntegrityError."""
    reference, origin = declared(artifact, manifest), artifact.origin
    label = f"{artifact.name} from {reference.way}"
    if "archive-sha256" not in origin:
        return tree_source(label, near.directory / reference.place)
    digest = Digest(f"sha256:{origin['archive-sha256']}")
    if digest not in near.store:
        _fetch_archive(artifact, reference, digest, near)
    subdirectory = origin.get("subdirectory", "") if "archive" in origin else ""
    return stored_source(label, origin.get("archive", "tree.tar"), digest, near.store, subdirectory)


def _fetch_archive(artifact: Artifact, reference: Reference, digest: Digest, near: NearSide) -> None:
    if reference.way == "path":
        _take_in(reference, digest, near)
    elif reference.way == "url":
        download_unmeasured(reference.place, digest, reference.label, near)
    elif (found := git.archive(reference, artifact.origin.get("commit"), near)).digest != digest:
        raise IntegrityError(
            reference.label,
            "the commit holds other files than were locked",
            expected=artifact.origin.get("tree"),
            found=found.tree,
        )


def declared(artifact: Artifact, manifest: Manifest | None) -> Reference:
    """The reference in the manifest that the artifact answers: where it comes from is nowhere else. Raises IntegrityError."""
    origin = artifact.origin
    for reference in read_section(manifest, "airlock.toml").references() if manifest else ():
        same = reference.name == artifact.name and reference.way == origin.get("reference")
        file = artifact.file if reference.is_wheel else origin.get("archive", reference.file)
        if same and file == reference.file and origin.get("path", reference.place) == reference.place:
            return reference
    raise IntegrityError(
        artifact.label,
        "comes from a direct reference, and no manifest beside the lock has it",
        hint="fetch with the airlock.toml that was locked, or lock anew",
    )
