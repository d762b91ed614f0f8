"""Resolve the requirements for one target."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from airlock.core.target import Target
from airlock.errors import ResolutionError, UsageError
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.conflict import Explainer
from airlock.kinds.wheel.metadata import Metadata, Unusable, applies
from airlock.kinds.wheel.provider import Asked, Candidate, Provider, Question, asked
from airlock.kinds.wheel.releases import Wanted, WheelFile
from airlock.kinds.wheel.section import SECTION, PythonSection
from airlock.kinds.wheel.shelf import Sdists, Shelf

MAX_ROUNDS = 200_000
Own = Mapping[NormalizedName, tuple[WheelFile, Metadata]]
Pins = Mapping[NormalizedName, WheelFile]
Preferred = Mapping[NormalizedName, tuple[Version, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What all targets of one lock are asked for. `where` is the manifest's file name."""

    section: PythonSection
    where: str
    own: Own


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Asking):
    """The same, and where answers come from."""

    client: IndexClient
    sdists: Sdists


def resolve(task: Task, target: Target, preferred: Preferred) -> Pins:
    """One wheel for each project that the target needs. Raises ResolutionError, FetchError or IntegrityError."""
    question = question_of(task, target, preferred)
    wanted = Wanted(target=target, exclude_newer=task.section.exclude_newer, build=task.section.build)
    shelf = Shelf(task.client, wanted, preferred, task.own, task.sdists)
    for root in question.roots:
        shelf.foresee(root.name, root.specifier)
    provider = Provider(question, shelf)
    try:
        result = Resolver(provider, BaseReporter()).resolve(question.roots, max_rounds=MAX_ROUNDS)
    except ResolutionImpossible as error:
        raise Explainer(provider=provider, shelf=shelf, where=task.where).error(error.causes) from error
    except ResolutionTooDeep as error:
        raise ResolutionError(
            task.where,
            f"no answer for target {target.name} after {error.round_count} attempts",
            hint="give lower bounds to the requirements, so that old versions need not be tried",
        ) from error
    return _reached(question.roots, result.mapping, provider)


def question_of(task: Asking, target: Target, preferred: Preferred) -> Question:
    """What one target is asked for."""
    environment = target.environment()
    constraints: dict[NormalizedName, tuple[SpecifierSet, ...]] = {}
    for one in _applying(task.section.constraints, environment, task.where):
        name = canonicalize_name(one.name)
        constraints[name] = (*constraints.get(name, ()), one.specifier)
    own = [
        Asked(name=name, extras=frozenset(), specifier=SpecifierSet(f"=={file.version}"), parent=None)
        for name, (file, _) in task.own.items()
    ]
    return Question(
        roots=(
            *own,
            *(asked(one, None) for one in _applying(task.section.requirements, environment, task.where)),
        ),
        constraints=constraints,
        preferred=preferred,
        environment=environment,
        python=target.python_full,
        own=task.own,
    )


def _applying(
    requirements: Iterable[Requirement], environment: Mapping[str, str], where: str
) -> list[Requirement]:
    try:
        return [one for one in requirements if applies(one, environment, frozenset())]
    except Unusable as error:
        raise UsageError(f"{where}: {SECTION}", str(error)) from error


def _reached(
    roots: Iterable[Asked], mapping: Mapping[NormalizedName, Candidate], provider: Provider
) -> dict[NormalizedName, WheelFile]:
    """What the roots need in the end. A pin may still hold an extra that only a version asked for which was given up."""
    extras: dict[NormalizedName, frozenset[NormalizedName]] = {}
    queue = list(roots)
    while queue:
        one = queue.pop()
        known = extras.get(one.name)
        if known is not None and one.extras <= known:
            continue
        extras[one.name] = one.extras | (known or frozenset())
        pin = mapping[one.name]
        queue += provider.get_dependencies(
            Candidate(name=pin.name, version=pin.version, extras=extras[one.name], file=pin.file)
        )
    return {name: mapping[name].file for name in sorted(extras)}
