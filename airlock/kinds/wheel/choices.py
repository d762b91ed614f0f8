"""The versions of one project that can be chosen, in order."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from packaging.utils import NormalizedName
from packaging.version import Version

from airlock.kinds.wheel.dead_ends import DeadEnds
from airlock.kinds.wheel.gallop import Gallop


class Search(Protocol):
    @property
    def dead_ends(self) -> DeadEnds: ...
    @property
    def gallop(self) -> Gallop: ...
    def has_tried(self, name: NormalizedName, version: Version) -> bool: ...
    def gallops(self, name: NormalizedName, version: Version) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choices:
    """Places are those in `versions`, which are what `asked` leaves, the best first."""

    name: NormalizedName
    extras: frozenset[NormalizedName]
    asked: frozenset[str]
    versions: Sequence[Version]
    failed: Collection[Version]
    search: Search

    def start(self) -> int:
        """The first choice; the number of versions where there is none."""
        return self._galloped(self._open(0))

    def since(self, place: int) -> Iterator[Version]:
        """What is left from a choice on. Past long runs only once those before were tried in vain: who looks what comes
        next has not tried anything."""
        while place < len(self.versions):
            version = self.versions[place]
            yield version
            place = self._open(place + 1)
            if self.search.has_tried(self.name, version):
                place = self._galloped(place)

    def _open(self, place: int) -> int:
        while place < len(self.versions) and self._is_ruled_out(self.versions[place]):
            place += 1
        return place

    def _is_ruled_out(self, version: Version) -> bool:
        return version in self.failed or self.search.dead_ends.holds(self.name, version, self.extras)

    def _galloped(self, place: int) -> int:
        if place == len(self.versions) or not self.search.gallops(self.name, self.versions[place]):
            return place
        return self._open(self.search.gallop.past(self.name, self.asked, self.versions, place))
