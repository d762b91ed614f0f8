"""From what is asked for to one version of each package, with resolvelib, in the order in which apt decides.

Three sorts of requirements: a package is needed in one of some versions, is barred in some, or one of several alternatives
is to be chosen. What the far machine has is kept where it will do, never removed, and never replaced by something older.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.structs import RequirementInformation

from airlock.errors import ResolutionError
from airlock.kinds.deb.choices import (
    Bars,
    Candidate,
    Chooses,
    Needs,
    Nothing,
    Option,
    Path,
    Requirement,
)
from airlock.kinds.deb.ground import Ground
from airlock.kinds.deb.packages import Package
from airlock.kinds.deb.relations import Group, Relation, text_of

END = "\n"
"""Decided last of all, so that something is always left to decide: only then does resolvelib tell what is decided."""
_LAST: Path = (1 << 30,)
_VERY_LAST: Path = (1 << 31,)
_ROUNDS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    ground: Ground
    packages: tuple[Relation, ...]
    recommends: bool = False
    previous: Mapping[str, str] = field(default_factory=dict)
    """Versions by name that the lock before had, and that may stay."""


def resolve(question: Question, where: str) -> tuple[Package, ...]:
    """What is to be carried, by name: nothing that the far machine has. Raises ResolutionError or IntegrityError."""
    provider = _Provider(question)
    roots = [provider.root(number, one) for number, one in enumerate(question.packages)]
    end = Needs(name=END, allowed=frozenset({""}), text="", parent=None, path=_VERY_LAST)
    try:
        result = Resolver(provider, BaseReporter()).resolve([*roots, end], max_rounds=_ROUNDS)
    except ResolutionImpossible as error:
        raise _impossible(error.causes, question, where) from error
    except ResolutionTooDeep as error:
        raise ResolutionError(where, f"no answer after {_ROUNDS} steps") from error
    chosen = (one for one in result.mapping.values() if isinstance(one, Package))
    return tuple(
        sorted((one for one in chosen if not one.installed and one.name != END), key=lambda one: one.name)
    )


class _Ordered(Sequence[Candidate]):
    """Alternatives, those that are there already first. What is there changes until one of them is chosen, so each pass over
    them looks again."""

    def __init__(self, found: Iterable[Candidate], is_there: Callable[[Candidate], bool]) -> None:
        self._found, self._is_there = tuple(found), is_there

    def __iter__(self) -> Iterator[Candidate]:
        return iter(sorted(self._found, key=lambda one: not self._is_there(one)))

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> Candidate: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Candidate]: ...
    def __getitem__(self, at: int | slice) -> Candidate | Sequence[Candidate]:
        return tuple(self)[at]


class _Provider(AbstractProvider[Requirement, Candidate, str]):
    def __init__(self, question: Question) -> None:
        self._question, self._ground = question, question.ground
        self._previous = dict(question.previous)
        self._decided: Mapping[str, Candidate] = {}
        self._paths: dict[str, Path] = {}
        self._end = Package(name=END, version="", architecture="")

    def root(self, number: int, relation: Relation) -> Needs:
        """What the manifest names is decided first, as apt does, so that alternatives know of it. A name that one package alone
        provides stands for that."""
        options = self._ground.options((relation,), None)
        named = [one for one in options if one.name == relation.name] or options
        name, allowed = relation.name, frozenset[str]()
        if len(named) == 1:
            name, allowed = named[0].name, named[0].allowed
        text = str(relation)
        return Needs(name=name, allowed=allowed, text=text, parent=None, path=(-1, number), newest=True)

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[Requirement, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Requirement, Candidate]],
    ) -> Path:
        return min(found.requirement.path for found in information[identifier])

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[Requirement, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Requirement, Candidate]],
    ) -> Iterable[str]:
        """The one to decide next: what is in the way of something, else the next in depth. Also where we see what is decided."""
        self._decided = resolutions
        causes = {cause.requirement.key for cause in backtrack_causes}
        names = list(identifiers)
        if near := [name for name in names if name in causes and name != END]:
            names = near
        path, name = min((min(one.requirement.path for one in information[name]), name) for name in names)
        self._paths[name] = path if path[0] >= 0 else path[1:]
        return [name]

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> "Iterable[Candidate]":
        asked = list(requirements[identifier])
        refused = {id(one) for one in incompatibilities[identifier]}
        if identifier == END:
            return [self._end]
        if isinstance(asked[0], Chooses):
            return _Ordered(self._options(asked, refused), self._is_there)
        found = self._versions(identifier, asked)
        return [one for one in found if id(one) not in refused and all(ask.takes(one) for ask in asked)]

    def _versions(self, name: str, asked: Sequence[Requirement]) -> Iterator[Candidate]:
        needs = [one for one in asked if isinstance(one, Needs)]
        if not needs and name not in self._ground.base:
            yield self._ground.absent(name)
            return
        yield from self._ground.ordered(name, self._previous.get(name), any(one.newest for one in needs))

    def _options(self, asked: Sequence[Requirement], refused: set[int]) -> Iterator[Candidate]:
        group = asked[0]
        assert isinstance(group, Chooses), "all of one key are"
        found: Iterable[Candidate] = (*group.options, *filter(None, [group.nothing]))
        return (one for one in found if id(one) not in refused and all(ask.takes(one) for ask in asked))

    def _is_there(self, option: Candidate) -> bool:
        if not isinstance(option, Option):
            return False
        decided = self._decided.get(option.name) or self._ground.base.get(option.name)
        return isinstance(decided, Package) and decided.version in option.allowed

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return candidate is self._end or requirement.takes(candidate)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Requirement]:
        path = self._paths.get(candidate.key, ())
        if isinstance(candidate, Option):
            text = candidate.text
            yield Needs(
                name=candidate.name,
                allowed=candidate.allowed,
                text=text,
                parent=candidate.parent,
                path=(*path, 0),
            )
        elif isinstance(candidate, Package) and not candidate.installed:
            yield from self._needs(candidate, path)
            yield from self._barred(candidate)

    def _needs(self, package: Package, path: Path) -> Iterator[Requirement]:
        for number, group in enumerate(package.depends):
            if asked := self._asked(group, package, (*path, number), weak=False):
                yield asked
        for number, group in enumerate(package.recommends if self._question.recommends else ()):
            if asked := self._asked(group, package, (*path, len(package.depends) + number), weak=True):
                yield asked

    def _asked(self, group: Group, package: Package, path: Path, *, weak: bool) -> Requirement | None:
        options = self._ground.options(group, package)
        text = text_of(group)
        if not options and weak:
            return None
        if len(options) <= 1 and not weak:
            name, allowed = (
                (options[0].name, options[0].allowed) if options else (group[0].name, frozenset[str]())
            )
            return Needs(name=name, allowed=allowed, text=text, parent=package, path=path)
        nothing = Nothing(text) if weak else None
        return Chooses(text=text, options=options, parent=package, path=path, nothing=nothing)

    def _barred(self, package: Package) -> Iterator[Requirement]:
        for name, versions, text in self._ground.barred_by(package):
            yield Bars(name=name, barred=versions, text=text, parent=package, path=_LAST)


def _impossible(
    causes: Collection[RequirementInformation[Requirement, Candidate]], question: Question, where: str
) -> ResolutionError:
    lines = dict.fromkeys(one.requirement.sentence(question.ground) for one in causes)
    hint = "the base must be what the far machine has; more suites or other constraints may help"
    return ResolutionError(where, "\n  ".join(["no set of packages fits:", *lines]), hint=hint)
