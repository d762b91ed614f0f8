"""The fewest lines of the manifest that have no answer together, and the facts that show it."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.target import Target
from airlock.errors import AirlockError, ResolutionError
from airlock.kinds.wheel.amend import Amendment
from airlock.kinds.wheel.attempt import Answer, Failure, Unfinished, attempt
from airlock.kinds.wheel.client import Outcome
from airlock.kinds.wheel.metadata import Unusable, applies
from airlock.kinds.wheel.provider import UNUSABLE, Provider
from airlock.kinds.wheel.releases import WheelFile
from airlock.kinds.wheel.resolve import Preferred, Task, question_of, shelf_of
from airlock.kinds.wheel.section import PythonSection
from airlock.kinds.wheel.shelf import Sdists, Shelf

ROUNDS = 5_000
"""Of one trial; one that needs more counts as not answered."""
SECONDS = 10.0
"""For the fewest lines, and again for remedies. What was not tried by then is left out."""
RUNS = 4
"""Lines that one package's need of another is told in, before they are told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    requirement: Requirement
    constraint: Amendment | None = None

    @property
    def key(self) -> str:
        return "constraints" if self.constraint else "requirements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    lines: tuple[Line, ...]
    failure: Failure


class Trials:
    """Answers questions about changed manifests, as long as there is time."""

    def __init__(self, task: Task, target: Target, preferred: Preferred) -> None:
        self.task, self.target, self._preferred = task, target, preferred
        self._end = time.monotonic() + SECONDS

    @property
    def over(self) -> bool:
        return time.monotonic() > self._end

    def run(self, section: PythonSection, target: Target | None = None) -> Answer | Failure | Unfinished:
        task, target = replace(self.task, section=section), target or self.target
        try:
            question = question_of(task, target, self._preferred)
            shelf = shelf_of(task, question, self._preferred)
            return attempt(question, shelf, ROUNDS, lambda: self.over)
        except AirlockError:
            return Unfinished(rounds=0)


def without_builds(task: Task, failure: Failure) -> Task:
    """No source distribution is built to find out what would work; those that the search had built are known."""
    known = {one.parent.file for one in failure.provider.seen if one.parent is not None}
    return replace(task, sdists=_Known(task.sdists, frozenset(known)))


@dataclass(frozen=True, slots=True)
class _Known:
    sdists: Sdists
    files: frozenset[WheelFile]

    def metadata(self, file: WheelFile, target: Target) -> Outcome:
        if file in self.files:
            return self.sdists.metadata(file, target)
        raise ResolutionError(file.file, "is not built to be tried")


def lines_of(section: PythonSection, target: Target) -> list[Line]:
    """Those that say something about the target."""
    found = [Line(requirement=one) for one in section.requirements]
    found += [Line(requirement=one.requirement, constraint=one) for one in section.constraints]
    return [line for line in found if _holds(line.requirement, target)]


def _holds(requirement: Requirement, target: Target) -> bool:
    try:
        return applies(requirement, target, frozenset())
    except Unusable:
        return False


def prove(trials: Trials, failure: Failure) -> Proof:
    """Take line after line away, and leave away what is not needed for there to be no answer."""
    section = trials.task.section
    lines = lines_of(section, trials.target)
    near = [line for line in lines if canonicalize_name(line.requirement.name) in _involved(failure)]
    if len(near) < len(lines) and isinstance(found := trials.run(only(section, near)), Failure):
        lines, failure = near, found
    for line in tuple(lines):
        rest = [other for other in lines if other is not line]
        if trials.over:
            break
        if isinstance(found := trials.run(only(section, rest)), Failure):
            lines, failure = rest, found
    return Proof(lines=tuple(lines), failure=failure)


def only(section: PythonSection, lines: Iterable[Line]) -> PythonSection:
    lines = tuple(lines)
    return replace(
        section,
        requirements=tuple(line.requirement for line in lines if line.constraint is None),
        constraints=tuple(line.constraint for line in lines if line.constraint is not None),
    )


def _involved(failure: Failure) -> set[NormalizedName]:
    """What the last contradiction is about, and everything that asks for it."""
    askers: dict[NormalizedName, set[NormalizedName]] = {}
    for one in failure.provider.seen:
        if one.parent is not None:
            askers.setdefault(one.name, set()).add(one.parent.name)
    found = {cause.requirement.name for cause in failure.causes}
    queue = list(found)
    while queue:
        fresh = askers.get(queue.pop(), set()) - found
        found |= fresh
        queue += fresh
    return found


Edge = tuple[NormalizedName, NormalizedName]


def facts(proof: Proof, shelf: Shelf) -> Iterator[str]:
    """Who needs what, from what the manifest asks for to the contradiction."""
    for asker, name in _edges(proof):
        yield from _fact(asker, name, proof.failure.provider, shelf)


def _edges(proof: Proof) -> list[Edge]:
    provider = proof.failure.provider
    ways = _Ways(provider)
    ends = {cause.requirement.name for cause in proof.failure.causes}
    found: dict[Edge, None] = {}
    starts = [one.name for one in provider.question.roots]
    for cause in proof.failure.causes:
        if cause.parent is not None and cause.requirement.specifier != UNUSABLE:
            way = [*ways.between(starts, {cause.parent.name}), cause.requirement.name]
            found |= dict.fromkeys(itertools.pairwise(way))
    covered = {name for edge in found for name in edge} | ends
    for start in starts:
        if start not in covered:
            way = ways.between([start], ends)
            found |= dict.fromkeys(itertools.pairwise(way))
    return list(found)


class _Ways:
    def __init__(self, provider: Provider) -> None:
        self._needs: dict[NormalizedName, dict[NormalizedName, None]] = {}
        for one in provider.seen:
            if one.parent is not None and one.name != one.parent.name:
                self._needs.setdefault(one.parent.name, {})[one.name] = None

    def between(self, starts: Sequence[NormalizedName], ends: set[NormalizedName]) -> list[NormalizedName]:
        """The shortest way, both ends included; empty where there is none."""
        queue = deque([name] for name in starts)
        met = set(starts)
        while queue:
            way = queue.popleft()
            if way[-1] in ends:
                return way
            for name in self._needs.get(way[-1], ()):
                if name not in met:
                    met.add(name)
                    queue.append([*way, name])
        return []


def _fact(asker: NormalizedName, name: NormalizedName, provider: Provider, shelf: Shelf) -> Iterator[str]:
    """Neighbouring versions with one need are told together."""
    needs: dict[Version, str] = {}
    for one in provider.seen:
        if one.parent is not None and (one.parent.name, one.name) == (asker, name):
            needs[one.parent.version] = str(one)
    runs: list[list[Version]] = []
    for version in sorted(needs):
        if runs and needs[runs[-1][-1]] == needs[version]:
            runs[-1].append(version)
        else:
            runs.append([version])
    if len(runs) > RUNS:
        texts = [needs[run[0]] for run in runs]
        yield f"{_versions(asker, sorted(needs), provider, shelf)} {texts[0]} … {texts[-1]}"
        return
    for run in reversed(runs):
        yield f"{_versions(asker, run, provider, shelf)} {needs[run[0]]}"


def _versions(name: NormalizedName, run: list[Version], provider: Provider, shelf: Shelf) -> str:
    if len(run) == 1:
        return f"{name} {run[0]} needs"
    own = name in provider.question.own
    there = [
        version
        for version in ([] if own else shelf.releases(name))
        if run[0] <= version <= run[-1] and (version in run or not version.is_prerelease)
    ]
    count = (
        f"{len(run)} versions" if len(there) <= len(run) else f"{len(run)} of {len(there)} versions looked at"
    )
    return f"{name} {run[0]} to {run[-1]} ({count}) need"
