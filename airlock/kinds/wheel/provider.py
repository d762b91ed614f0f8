"""What resolvelib asks: which candidates there are, in which order to decide, what a candidate needs.

A project is one identifier whatever extras are asked for: a candidate has the union of them, and a pin that lacks an extra
is pinned again with it. Everything here runs in one thread and depends on the manifest, the previous lock and what the
index holds, never on the order in which answers arrive.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider
from resolvelib.structs import RequirementInformation

from airlock.core.target import Target
from airlock.kinds.wheel.admission import Specifiers, admitted
from airlock.kinds.wheel.amend import Amended
from airlock.kinds.wheel.choices import Choices
from airlock.kinds.wheel.dead_ends import DeadEnds, pins
from airlock.kinds.wheel.gallop import AFTER, Gallop
from airlock.kinds.wheel.land import Land
from airlock.kinds.wheel.metadata import Metadata, Unusable, applies
from airlock.kinds.wheel.releases import Releases, WheelFile, standing, takes_python
from airlock.kinds.wheel.rules import IF_NECESSARY

PROMOTED_AFTER = 5
"""Conflicts after which a project is decided before others."""
COUNTED = 8
"""Remaining versions are counted up to here when the next decision is chosen."""
UNUSABLE = SpecifierSet("===unusable")
Cause = RequirementInformation["Asked", "Candidate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    name: NormalizedName
    version: Version
    extras: frozenset[NormalizedName]
    releases: Releases

    @property
    def file(self) -> WheelFile:
        """Made of its row when it is asked for: candidates are counted before one is taken."""
        return self.releases[self.version]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """One requirement, and who has it; the manifest where `parent` is None."""

    name: NormalizedName
    extras: frozenset[NormalizedName]
    specifier: SpecifierSet
    parent: Candidate | None
    text: str = field(init=False)
    """Of the specifier, which is slow to put together."""
    exact: bool = field(init=False)
    """Whether it names one version."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", str(self.specifier))
        object.__setattr__(self, "exact", any(map(pins, self.specifier)))

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}{self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one resolution is about."""

    roots: tuple[Asked, ...]
    constraints: Mapping[NormalizedName, tuple[SpecifierSet, ...]]
    preferred: Mapping[NormalizedName, tuple[Version, ...]]
    """Versions to try first, the best first."""
    target: Target
    amended: Amended = field(default_factory=Amended)
    prereleases_of: Callable[[NormalizedName], str] = lambda name: IF_NECESSARY
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why the manifest has a constraint, by its text."""
    exhaustive: bool = False
    """Every release is tried; see `gallop`."""
    own: Mapping[NormalizedName, tuple[WheelFile, Metadata]] = field(default_factory=dict)
    """The project's own wheel and direct references, which no index has a say in."""


class Facts(Protocol):
    """What there is, on an index or in a lock; `shelf.Shelf` says what each is for."""

    def releases(self, name: NormalizedName) -> Releases: ...
    def metadata(self, file: WheelFile) -> Metadata | Unusable: ...
    def expect(self, file: WheelFile) -> None: ...
    def tried(self, file: WheelFile) -> None: ...
    def foresee(self, name: NormalizedName, specifier: SpecifierSet) -> None: ...


def asked(requirement: Requirement, parent: Candidate | None) -> Asked:
    return Asked(
        name=canonicalize_name(requirement.name),
        extras=frozenset(canonicalize_name(extra) for extra in requirement.extras),
        specifier=requirement.specifier,
        parent=parent,
    )


class Provider(AbstractProvider[Asked, Candidate, NormalizedName]):
    def __init__(self, question: Question, shelf: Facts) -> None:
        self.question, self._shelf = question, shelf
        self.unusable: dict[tuple[NormalizedName, Version], str] = {}
        """Versions that were looked at and passed over, and why."""
        self.seen: list[Asked] = list(question.roots)
        """Every requirement that was met, for explanations."""
        self.gallop = Gallop(Land(self))
        self.dead_ends = DeadEnds(Land(self))
        self._tried: dict[NormalizedName, set[Version]] = {}
        self._conflicts: Counter[NormalizedName] = Counter()
        self._first: dict[NormalizedName, int] = {}
        self._versions: dict[tuple[NormalizedName, frozenset[str]], tuple[Version, ...]] = {}
        self._candidates: dict[tuple[NormalizedName, Version, frozenset[NormalizedName]], Candidate] = {}
        self._admitted: dict[str, dict[Version, bool]] = {}
        self._needs: dict[tuple[NormalizedName, Version, frozenset[NormalizedName]], tuple[Asked, ...]] = {}

    def identify(self, requirement_or_candidate: Asked | Candidate) -> NormalizedName:
        return requirement_or_candidate.name

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[NormalizedName],
        resolutions: Mapping[NormalizedName, Candidate],
        candidates: Mapping[NormalizedName, Iterator[Candidate]],
        information: Mapping[NormalizedName, Iterator[RequirementInformation[Asked, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Asked, Candidate]],
    ) -> Iterable[NormalizedName]:
        """Projects of the latest conflict first, then those that were often in one."""
        open_names = list(identifiers)
        involved = set()
        for cause in backtrack_causes:
            involved.add(cause.requirement.name)
            if cause.parent is not None:
                involved.add(cause.parent.name)
        self._conflicts.update(sorted(name for name in involved if name not in resolutions))
        chosen = [name for name in open_names if name in involved]
        return chosen or [name for name in open_names if self._promoted(name)] or open_names

    def _promoted(self, name: NormalizedName) -> bool:
        return self._conflicts[name] >= PROMOTED_AFTER

    def get_preference(
        self,
        identifier: NormalizedName,
        resolutions: Mapping[NormalizedName, Candidate],
        candidates: Mapping[NormalizedName, Iterator[Candidate]],
        information: Mapping[NormalizedName, Iterator[RequirementInformation[Asked, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Asked, Candidate]],
    ) -> tuple[bool, bool, int, int]:
        """Exact pins, then promoted projects, then those with few versions left, then the first seen."""
        exact = any(one.exact for one, _ in information[identifier])
        remaining = sum(1 for _, _ in zip(range(COUNTED), candidates[identifier], strict=False))
        first = self._first.setdefault(identifier, len(self._first))
        return not exact, not self._promoted(identifier), remaining, first

    def find_matches(
        self,
        identifier: NormalizedName,
        requirements: Mapping[NormalizedName, Iterator[Asked]],
        incompatibilities: Mapping[NormalizedName, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        wanted = list(requirements[identifier])
        extras: frozenset[NormalizedName] = frozenset().union(*(one.extras for one in wanted))
        # Fewer extras failed: more of them fail too. The reverse does not hold.
        failed = {one.version for one in incompatibilities[identifier] if one.extras <= extras}
        specifiers = self.specifiers(identifier, wanted)
        choices = Choices(
            name=identifier,
            extras=extras,
            asked=frozenset(specifiers),
            versions=self.matching(identifier, specifiers),
            failed=failed,
            search=self,
        )
        start = choices.start()
        if start < len(choices.versions):
            self.expect(self.file(identifier, choices.versions[start]))
        return lambda: (self.candidate(identifier, version, extras) for version in choices.since(start))

    def has_tried(self, name: NormalizedName, version: Version) -> bool:
        return version in self._tried.get(name, ())

    def gallops(self, name: NormalizedName, version: Version) -> bool:
        """Whether enough versions were tried in vain, and those from this one on are in order."""
        if self.question.exhaustive or len(self._tried.get(name, ())) < AFTER:
            return False
        return version not in self.question.preferred.get(name, ())

    def candidate(
        self, name: NormalizedName, version: Version, extras: frozenset[NormalizedName]
    ) -> Candidate:
        """Made when it is looked at: of a thousand versions, few are."""
        key = (name, version, extras)
        if key not in self._candidates:
            self._candidates[key] = Candidate(
                name=name, version=version, extras=extras, releases=self._files(name)
            )
        return self._candidates[key]

    def specifiers(self, name: NormalizedName, wanted: Iterable[Asked]) -> Specifiers:
        """What is asked of a project, constraints included, by its text: specifiers are slow to compare and hash."""
        found = {one.text: one.specifier for one in wanted}
        return found | {str(one): one for one in self.question.constraints.get(name, ())}

    def file(self, name: NormalizedName, version: Version) -> WheelFile:
        return self._files(name)[version]

    def expect(self, file: WheelFile) -> None:
        """The answer to a question about it will be needed."""
        if file.name not in self.question.own:
            self._shelf.expect(file)

    def matching(self, name: NormalizedName, specifiers: Specifiers) -> tuple[Version, ...]:
        """The versions that are candidates, the best first."""
        key = (name, frozenset(specifiers))
        if key not in self._versions:
            policy = self.question.prereleases_of(name)
            versions = admitted(self._files(name), specifiers, self._admits, policy)
            for version in reversed(self.question.preferred.get(name, ())):
                if version in versions:
                    versions = [version, *(other for other in versions if other != version)]
            self._versions[key] = tuple(versions)
        return self._versions[key]

    def has_final(self, name: NormalizedName, specifiers: Specifiers) -> bool:
        """Whether the specifiers leave a version that is no pre-release, and was not withdrawn."""
        return any(
            not version.is_prerelease
            and all(self._admits(text, specifier, version) for text, specifier in specifiers.items())
            for version in standing(self._files(name))
        )

    def every(self, name: NormalizedName, specifiers: Specifiers) -> list[Version]:
        """The versions that the specifiers leave, whether or not they are candidates without being named."""
        found = list(self._files(name))
        for text, specifier in specifiers.items():
            found = [version for version in found if self._admits(text, specifier, version)]
        return found

    def _files(self, name: NormalizedName) -> Releases:
        own = self.question.own.get(name)
        return {own[0].version: own[0]} if own else self._shelf.releases(name)

    def _admits(self, text: str, specifier: SpecifierSet, version: Version) -> bool:
        known = self._admitted.setdefault(text, {})
        found = known.get(version)
        if found is None:
            found = known[version] = specifier.contains(version, prereleases=True)
        return found

    def rooted(self, causes: Iterable[Cause]) -> tuple[Cause, ...]:
        """Contradictions, each followed down to a need that nothing meets, where it is a dead end."""
        return tuple(dict.fromkeys(map(self._rooted, causes)))

    def _rooted(self, cause: Cause) -> Cause:
        met: set[NormalizedName] = set()
        while cause.requirement.name not in met and (behind := self.dead_ends.behind(cause.requirement)):
            name, extras = cause.requirement.name, cause.requirement.extras
            version, need = behind
            met.add(name)
            assert isinstance(need, Asked), "only such are learned"
            cause = RequirementInformation(need, self.candidate(name, version, extras))
        return cause

    def is_satisfied_by(self, requirement: Asked, candidate: Candidate) -> bool:
        return requirement.extras <= candidate.extras and self._admits(
            requirement.text, requirement.specifier, candidate.version
        )

    def get_dependencies(self, candidate: Candidate) -> tuple[Asked, ...]:
        key = (candidate.name, candidate.version, candidate.extras)
        if key not in self._needs:
            self._needs[key] = needs = self._read_needs(candidate)
            self.seen += needs
            for one in needs:
                self._shelf.foresee(one.name, one.specifier)
            if all(one.specifier is not UNUSABLE for one in needs):
                self.dead_ends.learn(candidate.name, candidate.version, candidate.extras, needs)
        return self._needs[key]

    def _read_needs(self, candidate: Candidate) -> tuple[Asked, ...]:
        self._tried.setdefault(candidate.name, set()).add(candidate.version)
        if not self.gallop.skipped[candidate.name]:
            self._shelf.tried(candidate.file)
        outcome = self._outcome(candidate)
        if isinstance(outcome, Unusable):
            self.unusable[candidate.name, candidate.version] = str(outcome)
            self.dead_ends.unusable(candidate.name, candidate.version, candidate.extras)
            return (_refusal(candidate),)
        return tuple(asked(one, candidate) for one in self.wanted_by(outcome, candidate))

    def _outcome(self, candidate: Candidate) -> Metadata | Unusable:
        own = self.question.own.get(candidate.name)
        outcome = own[1] if own else self._shelf.metadata(candidate.file)
        if isinstance(outcome, Unusable):
            return outcome
        if outcome.requires_python and not takes_python(
            outcome.requires_python, self.question.target.python_full
        ):
            return Unusable(f"{candidate.file.file} needs Python {outcome.requires_python}")
        try:
            wanted = self.wanted_by(outcome, candidate)
        except Unusable as reason:
            return reason
        known = self.question.own
        urls = [one.name for one in wanted if one.url and canonicalize_name(one.name) not in known]
        if urls:
            return Unusable(
                f"{candidate.file.file} needs {urls[0]} from an address that the manifest does not name; "
                f'it may: "{urls[0]} @ …" below [python] requirements'
            )
        return outcome

    def wanted_by(self, metadata: Metadata, candidate: Candidate) -> list[Requirement]:
        """What counts of its requirements on the target, with the manifest's overrides and excludes. Raises Unusable."""
        target, extras = self.question.target, candidate.extras
        found = [one for one in metadata.requirements if applies(one, target, extras)]
        return self.question.amended(found, candidate.name)

    def metadata_of(self, candidate: Candidate) -> Metadata | Unusable:
        return self._outcome(candidate)


def _refusal(candidate: Candidate) -> Asked:
    """A requirement of the candidate on itself that nothing meets: resolvelib's way to pass a version over."""
    return Asked(
        name=candidate.name,
        extras=frozenset(),
        specifier=UNUSABLE,
        parent=candidate,
    )
