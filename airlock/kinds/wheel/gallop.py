"""Past long runs of releases that cannot be part of any answer, by probing a few of them.

A release is *dead* where what it needs of a project that the manifest speaks of leaves no version of it, or where the same is
so for whatever it needs within bounds, or where the search has learned that nothing meets a need (`dead_ends`). No
decision of the search counts, so a dead release stays dead. Projects that are released in step (boto3 and botocore, the packages of a cloud) have hundreds of dead ones in a row: after
some were tried in vain, the first live one is looked for 1, 2, 4, … releases further, then between the last two probes.

What it may miss: a live release between two dead probes, and one whose needs were all dead at the four places that were looked
at. So an answer may have an older version than a search of every release finds, and never a version that breaks a
requirement. Where galloping has skipped something and finds no answer, every release is tried, within bounds
(`resolve.ROUNDS_AGAIN`), before that is said.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.kinds.wheel.releases import WheelFile

AFTER = 6
"""Versions of a project that are tried one by one first."""
WORTH = 8
"""Versions that must be left."""
_BOUNDING = ("<", "<=", "==", "===", "~=")


class Land(Protocol):
    """What galloping sees of the search."""

    def fixed(self, name: NormalizedName) -> bool:
        """Whether the manifest speaks of the project."""

    def left(self, name: NormalizedName, specifier: SpecifierSet) -> Sequence[Version]:
        """The versions that the manifest and `specifier` leave, newest first."""

    def in_vain(self, name: NormalizedName, specifier: SpecifierSet) -> bool:
        """Whether the search knows that nothing meets this; see `dead_ends`."""

    def file(self, name: NormalizedName, version: Version) -> WheelFile: ...

    def needs(self, name: NormalizedName, version: Version) -> Sequence[Requirement] | None:
        """What the version needs without any extra; None where it is no candidate."""

    def expect(self, file: WheelFile) -> None: ...


@dataclass(slots=True)
class Gallop:
    land: Land
    skipped: Counter[NormalizedName] = field(default_factory=Counter)
    """Releases that were not looked at, by project."""
    _dead: dict[tuple[NormalizedName, Version, int], bool] = field(default_factory=dict)
    _starts: dict[tuple[NormalizedName, frozenset[str], Version], int] = field(default_factory=dict)

    def past(
        self, name: NormalizedName, asked: frozenset[str], versions: Sequence[Version], start: int
    ) -> int:
        """Where in the versions that `asked` leaves, newest first, the first live one from `start` on is; their number
        where there is none."""
        if len(versions) - start <= WORTH:
            return start
        key = (name, asked, versions[start])
        if key not in self._starts:
            live = start + self._first_live(name, versions[start:])
            self._starts[key] = live
            self.skipped[name] += live - start
        return self._starts[key]

    def _first_live(self, name: NormalizedName, versions: Sequence[Version]) -> int:
        if not self._is_dead(name, versions[0]):
            return 0
        dead, live = 0, len(versions)
        step = 1
        while dead + step < len(versions):
            self._expect(name, versions, dead + step, dead + 3 * step)
            if not self._is_dead(name, versions[dead + step]):
                live = dead + step
                break
            dead += step
            step *= 2
        else:
            if dead < len(versions) - 1 and not self._is_dead(name, versions[-1]):
                live = len(versions) - 1
        return self._between(name, versions, dead, live)

    def _between(self, name: NormalizedName, versions: Sequence[Version], dead: int, live: int) -> int:
        """The first live one after a dead one and up to a live one, or the end."""
        while live - dead > 1:
            middle = (dead + live) // 2
            self._expect(name, versions, middle, (dead + middle) // 2, (middle + live) // 2)
            if self._is_dead(name, versions[middle]):
                dead = middle
            else:
                live = middle
        return live

    def _expect(self, name: NormalizedName, versions: Sequence[Version], *places: int) -> None:
        for place in places:
            if place < len(versions):
                self.land.expect(self.land.file(name, versions[place]))

    def _is_dead(self, name: NormalizedName, version: Version, depth: int = 1) -> bool:
        key = (name, version, depth)
        if key not in self._dead:
            needs = None if self.land.file(name, version).is_sdist else self.land.needs(name, version)
            if needs is None:
                # A source distribution is never built to find out; what cannot be used at all is dead.
                self._dead[key] = not self.land.file(name, version).is_sdist
            else:
                self._dead[key] = any(self._hopeless(one, depth) for one in needs)
        return self._dead[key]

    def _hopeless(self, need: Requirement, depth: int) -> bool:
        name = canonicalize_name(need.name)
        if need.url is not None:
            return False
        if self.land.in_vain(name, need.specifier):
            return True
        if self.land.fixed(name):
            return not self.land.left(name, need.specifier)
        if depth == 0 or not any(one.operator in _BOUNDING for one in need.specifier):
            return False
        left = self.land.left(name, need.specifier)
        places = sorted({0, len(left) - 1, len(left) // 2, len(left) // 4}) if left else []
        return all(self._is_dead(name, left[place], depth - 1) for place in places)
