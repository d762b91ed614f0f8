"""Resolve the requirements for one target."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from airlock.core.target import Target
from airlock.errors import ResolutionError, UsageError
from airlock.kinds.wheel.attempt import Failure, Unfinished, attempt
from airlock.kinds.wheel.certain import check_certain
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.metadata import Metadata, Unusable, applies
from airlock.kinds.wheel.provider import Asked, Candidate, Provider, Question, asked
from airlock.kinds.wheel.releases import Wanted, WheelFile
from airlock.kinds.wheel.section import SECTION, PythonSection
from airlock.kinds.wheel.shelf import Sdists, Shelf

MAX_ROUNDS = 200_000
ROUNDS_AGAIN = 2_000
"""Of the search of every release where galloping found no answer, for what was skipped might have been one."""
Own = Mapping[NormalizedName, tuple[WheelFile, Metadata]]
Pins = Mapping[NormalizedName, WheelFile]
Preferred = Mapping[NormalizedName, tuple[Version, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What all targets of one lock are asked for. `where` is the manifest's file name."""

    section: PythonSection
    where: str
    own: Own
    """The project's own wheel."""
    given: Own
    """What direct references come to on the target."""

    @property
    def known(self) -> Own:
        """What no index has a say in."""
        return {**self.given, **self.own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Asking):
    """The same, and where answers come from."""

    client: IndexClient
    sdists: Sdists
    directory: Path
    """Where the manifest is, for the numbers of its lines."""
    exhaustive: bool = False
    """Every release is tried; see `gallop`."""


def resolve(task: Task, target: Target, preferred: Preferred) -> Pins:
    """One wheel for each project that the target needs. Raises ResolutionError, FetchError or IntegrityError."""
    question = replace(question_of(task, target, preferred), exhaustive=task.exhaustive)
    shelf = shelf_of(task, question, preferred)
    for root in question.roots:
        shelf.foresee(root.name, root.specifier)
    found = attempt(question, shelf, MAX_ROUNDS)
    if isinstance(found, Failure) and found.provider.gallop.skipped.total():
        again = attempt(replace(question, exhaustive=True), shelf, ROUNDS_AGAIN)
        found = found if isinstance(again, Unfinished) else again
    if isinstance(found, Failure):
        from airlock.kinds.wheel.conflict import explained

        raise explained(task, target, preferred, found)
    if isinstance(found, Unfinished):
        raise ResolutionError(
            task.where,
            f"no answer for target {target.name} after {found.rounds} attempts",
            hint="give lower bounds to the requirements, so that old versions need not be tried",
        )
    pins = _reached(question.roots, found.mapping, found.provider)
    check_certain(task, target, found.provider, pins.values())
    return {name: pins[name].file for name in sorted(pins)}


def shelf_of(task: Task, question: Question, preferred: Preferred) -> Shelf:
    section = task.section
    wanted = Wanted(
        target=question.target,
        exclude_newer=section.exclude_newer,
        build=section.build,
        cutoff_of=section.cutoff_of,
    )
    return Shelf(task.client, wanted, preferred, _Unasked(task.known, question), task.sdists)


@dataclass(frozen=True, slots=True)
class _Unasked:
    """Names that no index is asked for."""

    known: Own
    question: Question

    def __contains__(self, name: object) -> bool:
        return name in self.known or self.question.amended.everywhere(NormalizedName(str(name)))


def question_of(task: Asking, target: Target, preferred: Preferred) -> Question:
    """What one target is asked for."""
    section = task.section
    constraints: dict[NormalizedName, tuple[SpecifierSet, ...]] = {}
    for one in section.constraints:
        if _applies(one.requirement, target, task.where):
            constraints[one.name] = (*constraints.get(one.name, ()), one.requirement.specifier)
    amended = section.amendments.on(lambda one: _applies(one, target, task.where))
    requirements = [one for one in section.requirements if _applies(one, target, task.where)]
    own = [
        Asked(name=name, extras=frozenset(), specifier=SpecifierSet(f"=={file.version}"), parent=None)
        for name, (file, _) in task.own.items()
    ]
    return Question(
        roots=(*own, *(asked(one, None) for one in amended(requirements, None))),
        constraints=constraints,
        preferred=preferred,
        target=target,
        amended=amended,
        prereleases_of=section.prereleases_of,
        reasons={f"{one.name}{one.requirement.specifier}": one.reason for one in section.constraints},
        own=task.known,
    )


def _applies(requirement: Requirement, target: Target, where: str) -> bool:
    try:
        return applies(requirement, target, frozenset())
    except Unusable as error:
        raise UsageError(f"{where}: {SECTION}", str(error)) from error


def _reached(
    roots: Iterable[Asked], mapping: Mapping[NormalizedName, Candidate], provider: Provider
) -> dict[NormalizedName, Candidate]:
    """What the roots need in the end. A pin may still hold an extra that only a version asked for which was given up."""
    extras: dict[NormalizedName, frozenset[NormalizedName]] = {}
    found: dict[NormalizedName, Candidate] = {}
    queue = list(roots)
    while queue:
        one = queue.pop()
        known = extras.get(one.name)
        if known is not None and one.extras <= known:
            continue
        extras[one.name] = one.extras | (known or frozenset())
        pin = mapping[one.name]
        found[one.name] = Candidate(
            name=pin.name, version=pin.version, extras=extras[one.name], releases=pin.releases
        )
        queue += provider.get_dependencies(found[one.name])
    return found
