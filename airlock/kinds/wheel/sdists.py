"""Source distributions, and the project's own tree, in the eyes of the resolver: what they need, and the wheels that they
become. No code of a package runs but of those that `[python.build]` names."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, hex_of
from airlock.core.target import Target
from airlock.errors import ResolutionError
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds import PinRequest
from airlock.kinds.download import download_unmeasured
from airlock.kinds.wheel.amend import Amendments
from airlock.kinds.wheel.client import IndexClient, Outcome
from airlock.kinds.wheel.metadata import Metadata, Unusable, parse_metadata
from airlock.kinds.wheel.origins import wheel_origin
from airlock.kinds.wheel.releases import WheelFile, learned, parsed_version
from airlock.kinds.wheel.resolve import Preferred, Task, resolve
from airlock.kinds.wheel.section import PythonSection
from airlock.storage.store import Store

if TYPE_CHECKING:
    from airlock.kinds.wheel.building.builder import Builder, BuiltWheel, Tools
    from airlock.kinds.wheel.building.sources import Source

KIND = "wheel"


class Sdists:
    """One lock's builds. Used by one thread: a build asks the resolver for its tools, and that may need another build."""

    def __init__(self, request: PinRequest, section: PythonSection, client: IndexClient) -> None:
        self._request, self._section, self._client = request, section, client
        self._outcomes: dict[tuple[WheelFile, tuple[int, int]], Outcome] = {}
        self._building: list[str] = []

    @cached_property
    def _builder(self) -> "Builder":
        from airlock.kinds.wheel.building.builder import Builder

        return Builder(near=self._request.near, toolbox=self, timeout=self._section.build.timeout)

    def metadata(self, file: WheelFile, target: Target) -> Outcome:
        """See `shelf.Sdists`."""
        key = (file, target.python_minor)
        if key not in self._outcomes:
            self._outcomes[key] = self._read(file, target)
        return self._outcomes[key]

    def _read(self, file: WheelFile, target: Target) -> Outcome:
        from airlock.kinds.wheel.building.static import static_metadata

        whole = self.whole(file)
        assert whole.digest is not None, "made whole"
        with self._request.near.store.open(whole.digest, file.file) as stream:
            data = static_metadata(stream, file.file)
        if data is None:
            data = self._build(self._source(whole), target, twice=False).metadata
        try:
            return parse_metadata(data, file.file, file.name, file.version)
        except Unusable as reason:
            return reason

    def whole(self, file: WheelFile) -> WheelFile:
        """The file, in the store, with its sha256 and size."""
        near = self._request.near
        digest, size = download_unmeasured(file.url, file.digest, file.file, near, file.size)
        return learned(file, digest, size)

    def wheel(self, file: WheelFile, target: Target) -> "tuple[BuiltWheel, WheelFile]":
        """The wheel that the target gets of a source distribution, and that file itself, made whole. Raises
        ResolutionError, FetchError or IntegrityError."""
        whole = self.whole(file)
        source = self._source(whole)
        built = self._build(source, target, twice=True)
        self._check_metadata(built, whole, target, source.label)
        self.check_fit(built, source.label, target)
        return built, whole

    def tree(self, source: "Source", target: Target) -> "BuiltWheel":
        """The wheel of a tree or an archive that no index has a say in."""
        built = self._build(source, target, twice=True)
        self.check_fit(built, source.label, target)
        return built

    def check_fit(self, built: "BuiltWheel", label: str, target: Target) -> None:
        from airlock.kinds.wheel.building.fit import check_fit, foreign_libraries

        with self._request.near.store.open(built.digest, built.file) as stream:
            check_fit(built, label, target, stream)
            if foreign := foreign_libraries(stream):
                self._builder.warn_once(
                    f"{label} asks for {', '.join(foreign)}, which must be on the far machine: it is not in the wheel"
                )

    def _source(self, file: WheelFile) -> "Source":
        assert file.digest is not None, "made whole"
        return stored_source(f"{file.name} {file.version}", file.file, file.digest, self._request.near.store)

    def _build(self, source: "Source", target: Target, *, twice: bool) -> "BuiltWheel":
        if source.label in self._building:
            chain = " → ".join([*self._building, source.label])
            hint = "have one of them as a wheel: [python.build] constraints can name a version that has one"
            raise ResolutionError(
                self._request.where, f"to build it, it is needed itself: {chain}", hint=hint
            )
        self._building.append(source.label)
        try:
            return self._builder.build(source, target, twice=twice)
        finally:
            self._building.pop()

    def _check_metadata(self, built: "BuiltWheel", file: WheelFile, target: Target, label: str) -> None:
        """What was resolved with must be what the wheel says."""
        assumed = self.metadata(file, target)
        try:
            found = parse_metadata(built.metadata, built.file, file.name, file.version)
        except Unusable as error:
            raise ResolutionError(label, f"its build made a wheel of something else: {error}") from error
        if isinstance(assumed, Metadata) and not _same(assumed, found):
            raise ResolutionError(
                label,
                "the wheel that was built needs other things than its source distribution says",
                expected=_needs(assumed),
                found=_needs(found),
                hint="its authors should mark them as Dynamic; pin another version",
            )

    def tools(self, requires: tuple[str, ...], label: str, machine: Target) -> "Tools":
        """See `Toolbox`: the resolver's answer for this machine."""
        from airlock.kinds.wheel.building.builder import Tools

        name = canonicalize_name(label.partition(" ")[0])
        wanted = sorted({*requires, *self._section.build.requires.get(name, ())})
        if not wanted:
            return Tools(artifacts=())
        section = replace(
            self._section,
            requirements=tuple(Requirement(text) for text in wanted),
            constraints=self._section.build.constraints,
            amendments=Amendments(),
        )
        where = f"{self._request.where}: tools to build {label}"
        task = Task(
            section=section,
            where=where,
            client=self._client,
            own={},
            given={},
            sdists=self,
            directory=self._request.near.directory,
        )
        pins = resolve(task, machine, self._preferred(label))
        artifacts: list[Artifact] = []
        nested: list[LockedArtifact] = []
        for file in pins.values():
            if file.is_sdist:
                built, whole = self.wheel(file, machine)
                artifacts.append(built_artifact(built, self.origin(built, whole)))
                nested += built.rows
            else:
                artifacts.append(self._tool(file))
        return Tools(artifacts=tuple(artifacts), nested=tuple(nested))

    def _tool(self, file: WheelFile) -> Artifact:
        whole = self.whole(file)
        assert whole.digest is not None and whole.size is not None, "made whole"
        return Artifact(
            kind=KIND,
            name=whole.name,
            version=str(whole.version),
            file=whole.file,
            size=whole.size,
            digest=whole.digest,
            origin=wheel_origin(file, whole, self._client, self._request.near),
        )

    def origin(self, built: "BuiltWheel", sdist: WheelFile) -> dict[str, str]:
        """What a row of the lock says of a wheel that was built from a source distribution."""
        assert sdist.digest is not None, "made whole"
        return {
            "index": sdist.index,
            "sdist": sdist.file,
            "sdist-sha256": hex_of(sdist.digest),
            **how_built(built),
            **self._client.publisher(sdist).result(),
        }

    def _preferred(self, label: str) -> Preferred:
        """The tools of the lock before, those of the same build first."""
        previous, upgrade = self._request.previous, self._request.upgrade
        same = label.replace(" ", "==", 1) + " on "
        rows = [
            row
            for row in (previous.artifacts if previous else ())
            if row.builds and row.artifact.kind == KIND
        ]
        rows.sort(key=lambda row: not any(build.startswith(same) for build in row.builds))
        found: dict[NormalizedName, dict[Version, None]] = {}
        for row in rows:
            version = parsed_version(row.artifact.version)
            if version and upgrade.keeps(row.artifact.name):
                found.setdefault(canonicalize_name(row.artifact.name), {})[version] = None
        return {name: tuple(versions) for name, versions in found.items()}


def stored_source(label: str, file: str, digest: Digest, store: Store, subdirectory: str = "") -> "Source":
    from airlock.kinds.wheel.building.sources import archive_source

    source = archive_source(label, file, digest, lambda: store.open(digest, file))
    return replace(source, subdirectory=subdirectory)


def _same(one: Metadata, other: Metadata) -> bool:
    return _needs(one) == _needs(other) and one.extras == other.extras


def _needs(metadata: Metadata) -> str:
    parts = sorted(str(one) for one in metadata.requirements)
    parts += [f"Python {metadata.requires_python}"] if metadata.requires_python else []
    return ", ".join(parts) or "nothing"


def built_artifact(built: "BuiltWheel", origin: dict[str, str]) -> Artifact:
    return Artifact(
        kind=KIND,
        name=built.name,
        version=str(built.version),
        file=built.file,
        size=built.size,
        digest=built.digest,
        origin=origin,
    )


def how_built(built: "BuiltWheel") -> dict[str, str]:
    return {"python": built.python} | ({} if built.reproducible else {"reproducible": "no"})
