"""Single changes of the manifest that would give an answer: each was tried."""

from collections.abc import Iterator
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name

from airlock.core.target import Target
from airlock.kinds.wheel.attempt import Answer
from airlock.kinds.wheel.lines import Places
from airlock.kinds.wheel.proof import Line, Proof, Trials
from airlock.kinds.wheel.section import PythonSection

SHOWN = 6
"""Remedies that are told."""
_UPPER, _LOWER = ("<", "<=", "==", "===", "~="), (">", ">=", "==", "===", "~=")
_FLOORS = (28, 34, 39)
"""Of glibc, as those that wheels are built for."""


def remedies(trials: Trials, proof: Proof, places: Places) -> Iterator[str]:
    """At most SHOWN, each a sentence."""
    found = 0
    for text in _all(trials, proof, places):
        if trials.over or found == SHOWN:
            return
        if text is not None:
            found += 1
            yield text


def _all(trials: Trials, proof: Proof, places: Places) -> Iterator[str | None]:
    """None for each trial in vain."""
    for line in proof.lines:
        place = places.of(line.requirement, key=line.key)
        for changed in _relaxed(line):
            told = _told(trials, line, changed, place)
            yield told
            if told is not None:
                break
    section = trials.task.section
    if section.exclude_newer is not None:
        works = isinstance(trials.run(replace(section, exclude_newer=None)), Answer)
        yield "a later cutoff: nothing that was uploaded in time fits" if works else None
    for target in _other_targets(trials.target):
        works = isinstance(trials.run(section, target), Answer)
        text = f"target {target.name} with Python {target.python} on {target.platform}, if it is that"
        yield text if works else None


def _relaxed(line: Line) -> Iterator[Requirement | None]:
    """The line without upper bounds, without lower bounds, without either; a constraint also not at all."""
    requirement = line.requirement
    kept = {str(requirement.specifier)}
    for dropped in (_UPPER, _LOWER, (*_UPPER, *_LOWER)):
        specifier = SpecifierSet(
            ",".join(_without(one, dropped) for one in requirement.specifier if _without(one, dropped))
        )
        if str(specifier) not in kept:
            kept.add(str(specifier))
            changed = Requirement(str(requirement))
            changed.specifier = specifier
            if str(specifier) or not line.constraint:
                yield changed
    if line.constraint:
        yield None


def _without(one: Specifier, dropped: tuple[str, ...]) -> str:
    """A bound that is both leaves its other half."""
    if one.operator not in dropped:
        return str(one)
    if one.operator in ("==", "~=") and not (set(_UPPER) | set(_LOWER)) <= set(dropped):
        version = one.version.removesuffix(".*")
        return f">={version}" if dropped == _UPPER else f"<={version}"
    return ""


def _told(trials: Trials, line: Line, changed: Requirement | None, place: str) -> str | None:
    answer = trials.run(_replaced(trials.task.section, line, changed))
    if not isinstance(answer, Answer):
        return None
    name = canonicalize_name(line.requirement.name)
    pin = answer.mapping.get(name)
    gives = f", which gives {pin}" if pin else ""
    if changed is None:
        return f"{place}: no constraint {str(line.requirement)!r}{gives}"
    return f"{place}: {str(changed)!r} instead of {str(line.requirement)!r}{gives}"


def _replaced(section: PythonSection, line: Line, changed: Requirement | None) -> PythonSection:
    if line.constraint is not None:
        kept = tuple(one for one in section.constraints if one is not line.constraint)
        amended = (replace(line.constraint, requirement=changed),) if changed else ()
        return replace(section, constraints=(*kept, *amended))
    requirements = (changed if one is line.requirement else one for one in section.requirements)
    return replace(section, requirements=tuple(one for one in requirements if one is not None))


def _other_targets(target: Target) -> Iterator[Target]:
    """The same machine with a newer Python, or a newer C library."""
    major, minor = target.python_minor
    threads = "t" if target.free_threaded else ""
    for newer in (minor + 1, minor + 2):
        yield replace(target, python=f"{major}.{newer}{threads}", markers=())
    for floor in _FLOORS:
        if target.on.family == "manylinux" and (2, floor) > target.on.floor:
            yield replace(target, platform=f"manylinux_2_{floor}_{target.machine}")
