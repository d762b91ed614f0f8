"""Whether a marker (PEP 508) has one answer on a target, which names no exact patch release, kernel or system version."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from airlock.core.target import Target

_PATCH = ("python_full_version", "implementation_version")
_KERNEL = ("platform_release", "platform_version")
_LITERAL = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_LAST_PATCH = 999


def holds(marker: Marker, target: Target, extras: Collection[str]) -> bool:
    """Whether the marker holds on the target: on some patch release that it may have, for what is needed on one of them is
    carried to all. Raises what `Marker.evaluate` raises."""
    environment = target.environment()
    if _any_extra(marker, environment, extras):
        return True
    text = _text(_Same(marker))
    return any(name in text for name in _PATCH) and any(
        _any_extra(marker, {**environment, **change}, extras) for change in _patches(text, target)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """One object, whatever else is equal to it: to compare markers means to spell them out."""

    marker: Marker

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.marker is self.marker

    def __hash__(self) -> int:
        return id(self.marker)


@lru_cache(maxsize=20_000)
def _text(same: _Same) -> str:
    return str(same.marker)


def _any_extra(marker: Marker, environment: dict[str, str], extras: Collection[str]) -> bool:
    return any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *sorted(extras)))


def undecided(marker: Marker, target: Target, extras: Iterable[str] = ("",)) -> tuple[str, ...]:
    """The names that the target must state exactly before the marker has one answer, in the words of `EXACT_MARKERS`; none
    where it has. Every value that could tell one answer from another is tried."""
    text = str(marker)
    environment = target.environment()
    names = []
    if any(name in text for name in _PATCH) and _differs(marker, environment, extras, _patches(text, target)):
        names.append("python_full_version")
    names += [
        name
        for name in _KERNEL
        if name in text
        and name not in target.exact
        and _differs(marker, environment, extras, ({name: value} for value in _around(text)))
    ]
    return tuple(names)


def undecided_python(requires: str, target: Target) -> bool:
    """Whether some patch releases that the target allows meet `Requires-Python` and others do not."""
    try:
        specifier = SpecifierSet(requires)
    except InvalidSpecifier:
        return False
    found = {
        specifier.contains(change["python_full_version"], prereleases=True)
        for change in _patches(" ".join(f"'{one.version.removesuffix('.*')}'" for one in specifier), target)
    }
    return len(found) > 1


def _differs(
    marker: Marker,
    environment: Mapping[str, str],
    extras: Iterable[str],
    changes: Iterable[Mapping[str, str]],
) -> bool:
    extras = tuple(extras)
    answers = {
        any(_holds(marker, {**environment, **change, "extra": extra}) for extra in extras)
        for change in changes
    }
    return len(answers) > 1


def _holds(marker: Marker, environment: dict[str, str]) -> bool | None:
    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return None


def _patches(text: str, target: Target) -> Iterator[dict[str, str]]:
    """Releases of the target's Python: the floor, the last that could be, and those beside each version that is named."""
    floor = target.python_full
    patches = {floor.micro}
    if "python_full_version" not in target.exact:
        patches |= {_LAST_PATCH}
        for version in _versions(text):
            if version.release[:2] == floor.release[:2]:
                patches |= {version.micro - 1, version.micro, version.micro + 1}
    for patch in sorted(patches):
        if patch >= floor.micro:
            full = target.exact.get("python_full_version", f"{floor.major}.{floor.minor}.{patch}")
            yield dict.fromkeys(_PATCH, full)


def _versions(text: str) -> Iterator[Version]:
    for literal in _literals(text):
        try:
            yield Version(literal.removesuffix(".*"))
        except InvalidVersion:
            continue


def _literals(text: str) -> list[str]:
    return [single or double for single, double in _LITERAL.findall(text)]


def _around(text: str) -> list[str]:
    return ["", "0", *_literals(text), "999999", "a"]
