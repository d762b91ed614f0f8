"""What the wheels of a lock or bundle say they need, and whether the pins answer it. Nothing is resolved here."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.graph import Graph, Need, without_manifest
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.kinds import Library, Locked
from airlock.kinds.wheel.metadata import Metadata, Unusable, cached, parse_metadata
from airlock.kinds.wheel.obtain import obtain, sought
from airlock.kinds.wheel.provider import UNUSABLE, Asked, Candidate, Provider, Question
from airlock.kinds.wheel.releases import Releases, WheelFile, expanded_tags, parsed_version, tag_ranks
from airlock.kinds.wheel.remote import MAX_METADATA, metadata_in
from airlock.kinds.wheel.resolve import Asking, question_of
from airlock.kinds.wheel.section import SECTION, read_section

KIND = "wheel"
NOTHING: frozenset[NormalizedName] = frozenset()


def graphs(locked: Locked, library: Library) -> tuple[Graph, ...]:
    """See `Packages.graphs`."""
    return tuple(walk(locked, target, library).graph() for target in locked.lockfile.targets)


def problems(locked: Locked, library: Library) -> tuple[str, ...]:
    """See `Packages.problems`."""
    found: list[str] = []
    for target in locked.lockfile.targets:
        told = walk(locked, target, library).problems()
        found += [f"{problem}, for target {target.name}" for problem in told]
    return tuple(found)


def walk(locked: Locked, target: Target, library: Library) -> "Walk":
    files = {
        canonicalize_name(artifact.name): (artifact, _file(artifact))
        for artifact in locked.lockfile.artifacts_for(target.name)
        if artifact.kind == KIND
    }
    shelf = Pinned(files, locked, library)
    question = _question(locked, target, shelf)
    return Walk(target=target, question=question, provider=Provider(question, shelf), shelf=shelf)


def _question(locked: Locked, target: Target, shelf: "Pinned") -> Question:
    """Without a manifest everything that is pinned is asked for, without extras."""
    if locked.manifest is not None and shelf.declared:
        section = read_section(locked.manifest, locked.manifest_name)
        asking = Asking(
            section=section,
            where=locked.manifest_name,
            own=shelf.apart("source"),
            given=shelf.apart("reference"),
        )
        return question_of(asking, target, {})
    nothing = SpecifierSet()
    return Question(
        roots=tuple(
            Asked(name=name, extras=NOTHING, specifier=nothing, parent=None) for name in sorted(shelf.files)
        ),
        constraints={},
        preferred={},
        target=target,
    )


def _file(artifact: Artifact) -> WheelFile:
    version = parsed_version(artifact.version)
    if version is None:
        raise IntegrityError(artifact.label, "not a PEP 440 version", found=repr(artifact.version))
    return WheelFile(
        name=canonicalize_name(artifact.name),
        version=version,
        file=artifact.file,
        index=artifact.origin.get("index", ""),
        url="",
        digest=artifact.digest,
        size=artifact.size,
        metadata=None,
        yanked=None,
    )


class Pinned:
    """The pinned files alone, for a Provider."""

    def __init__(
        self,
        files: Mapping[NormalizedName, tuple[Artifact, WheelFile]],
        locked: Locked,
        library: Library,
    ) -> None:
        self.files, self._locked, self._library = files, locked, library
        self._known: dict[NormalizedName, Metadata | Unusable] = {}
        self.declared = locked.manifest is not None and SECTION in locked.manifest.sections

    def from_elsewhere(self, artifact: Artifact) -> str | None:
        """Whether it comes from an index that the manifest has for something else."""
        index = artifact.origin.get("index")
        if index is None or not self.declared or self._locked.manifest is None:
            return None
        section = read_section(self._locked.manifest, self._locked.manifest_name)
        allowed = section.indexes_of(canonicalize_name(artifact.name))
        if index in allowed:
            return None
        return f"{artifact.name} {artifact.version} is of the index {index!r}, and the manifest has it from {allowed[0]!r}"

    def apart(self, origin: str) -> dict[NormalizedName, tuple[WheelFile, Metadata]]:
        """Those of no index: the project's own wheel (`source`), and direct references (`reference`)."""
        apart = {}
        for name, (artifact, file) in self.files.items():
            found = self.metadata(file) if origin in artifact.origin else None
            if isinstance(found, Metadata):
                apart[name] = (file, found)
        return apart

    def releases(self, name: NormalizedName) -> Releases:
        found = self.files.get(name)
        return {found[1].version: found[1]} if found else {}

    def metadata(self, file: WheelFile) -> Metadata | Unusable:
        if file.name not in self._known:
            data = _description(self.files[file.name][0], file, self._locked, self._library)
            try:
                self._known[file.name] = parse_metadata(data, file.file, file.name, file.version)
            except Unusable as reason:
                self._known[file.name] = reason
        return self._known[file.name]

    def expect(self, file: WheelFile) -> None: ...
    def tried(self, file: WheelFile) -> None: ...
    def foresee(self, name: NormalizedName, specifier: SpecifierSet) -> None: ...


def _description(artifact: Artifact, file: WheelFile, locked: Locked, library: Library) -> bytes:
    """The METADATA of a pinned wheel."""
    if library.contents is not None:
        return metadata_inside(artifact, library)
    if (data := cached(file, library.cache)) is not None:
        return data
    if artifact.digest not in library.store:
        near = replace(library.near(), locked=locked.lockfile.artifacts)
        if artifact.origin.keys() & {"index", "sdist"} == {"index"}:
            return sought(artifact, file, locked.manifest, near)
        obtain(artifact, locked.manifest, near)
    with library.store.open(artifact.digest, artifact.label) as stream:
        return metadata_in(stream, artifact.file)


def metadata_inside(artifact: Artifact, library: Library) -> bytes:
    assert library.contents is not None
    for member in library.contents(artifact):
        if re.fullmatch(r"[^/]+\.dist-info/METADATA", member.name):
            return _limited(member.chunks, artifact)
    raise IntegrityError(artifact.label, "not a wheel", expected="a METADATA", found="none")


def _limited(chunks: Iterable[bytes], artifact: Artifact) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_METADATA:
            raise IntegrityError(
                artifact.label, "METADATA is too large", expected=f"at most {MAX_METADATA} bytes"
            )
    return bytes(data)


@dataclass(slots=True, kw_only=True)
class Walk:
    """One target: from the roots along the requirements, as far as the pins go."""

    target: Target
    question: Question
    provider: Provider
    shelf: Pinned
    extras: dict[NormalizedName, frozenset[NormalizedName]] = field(default_factory=dict)
    needs: dict[NormalizedName, tuple[Asked, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        queue = list(self.question.roots)
        while queue:
            one = queue.pop()
            known = self.extras.get(one.name)
            if one.name not in self.shelf.files or (known is not None and one.extras <= known):
                continue
            self.extras[one.name] = one.extras | (known or NOTHING)
            self.needs[one.name] = self.provider.get_dependencies(self._candidate(one.name))
            queue += self.needs[one.name]

    def _candidate(self, name: NormalizedName) -> Candidate:
        file = self.shelf.files[name][1]
        extras = self.extras.get(name, NOTHING)
        return Candidate(name=name, version=file.version, extras=extras, releases={file.version: file})

    def graph(self) -> Graph:
        versions: dict[str, str] = {
            name: str(file.version) for name, (_, file) in sorted(self.shelf.files.items())
        }
        needs: dict[str, tuple[Need, ...]] = {
            name: _needs(self.needs.get(name, ())) for name in self.shelf.files
        }
        if not self.shelf.declared:
            return without_manifest(self.target.name, needs, versions)
        roots = _needs(self.question.roots)
        return Graph(target=self.target.name, roots=roots, needs=needs, versions=versions)

    def problems(self) -> Iterator[str]:
        for (name, version), reason in sorted(self.provider.unusable.items()):
            yield f"{name} {version} cannot be used: {reason}"
        for name, (artifact, file) in sorted(self.shelf.files.items()):
            if problem := _misfit(artifact, file.version, self.target) or self.shelf.from_elsewhere(artifact):
                yield problem
            if name not in self.extras:
                yield f"{name} {file.version} is locked, and nothing needs it"
            yield from self._against_constraints(name, file.version)
        for _, problem in self.unmet():
            yield problem

    def unmet(self) -> Iterator[tuple[Asked, str]]:
        """What is asked for and not pinned, or pinned to a version that will not do; with a sentence that says so."""
        for one in sorted(self._all(), key=str):
            if problem := self._unmet(one):
                yield one, problem

    def _all(self) -> list[Asked]:
        return [*self.question.roots, *(one for needs in self.needs.values() for one in needs)]

    def _unmet(self, one: Asked) -> str | None:
        if one.specifier == UNUSABLE:
            return None
        asker = f"{one.parent} needs {one}" if one.parent else f"the manifest asks for {one}"
        if one.name not in self.shelf.files:
            return f"{one.name} is not locked, but {asker}"
        candidate = self._candidate(one.name)
        return (
            None if self.provider.is_satisfied_by(one, candidate) else f"{candidate} is locked, but {asker}"
        )

    def _against_constraints(self, name: NormalizedName, version: Version) -> Iterator[str]:
        for specifier in self.question.constraints.get(name, ()):
            if not specifier.contains(version, prereleases=True):
                yield f"{name} {version} is locked, but a constraint says {name}{specifier}"


def _needs(asked: Iterable[Asked]) -> tuple[Need, ...]:
    return tuple(sorted({Need(name=one.name, text=str(one)) for one in asked if one.specifier != UNUSABLE}))


def _misfit(artifact: Artifact, version: Version, target: Target) -> str | None:
    """What a file's own name says against it."""
    parts = artifact.file.removesuffix(".whl").split("-")
    if not artifact.file.endswith(".whl") or len(parts) not in (5, 6):
        return f"{artifact.file} is not the name of a wheel"
    if canonicalize_name(parts[0]) != canonicalize_name(artifact.name) or parsed_version(parts[1]) != version:
        return f"{artifact.file} is not a file of {artifact.name} {version}"
    if not any(tag in tag_ranks(target) for tag in expanded_tags(*parts[-3:])):
        return f"{artifact.file} does not fit Python {target.python} on {target.platform}"
    return None
