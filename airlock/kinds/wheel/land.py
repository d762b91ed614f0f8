"""What short cuts of the search see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from airlock.kinds.wheel.admission import Specifiers
from airlock.kinds.wheel.dead_ends import Need
from airlock.kinds.wheel.metadata import Unusable
from airlock.kinds.wheel.releases import WheelFile

if TYPE_CHECKING:
    from airlock.kinds.wheel.provider import Provider


@dataclass(frozen=True, slots=True)
class _Need:
    """See `dead_ends.Need`."""

    name: NormalizedName
    specifier: SpecifierSet
    text: str
    extras: frozenset[NormalizedName] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Land:
    """See `gallop.Land` and `dead_ends.Ground`."""

    provider: "Provider"

    def fixed(self, name: NormalizedName) -> bool:
        question = self.provider.question
        return name in question.constraints or any(root.name == name for root in question.roots)

    def left(self, name: NormalizedName, specifier: SpecifierSet) -> Sequence[Version]:
        return self.provider.matching(name, self._asked(name, str(specifier), specifier))

    def in_vain(self, name: NormalizedName, specifier: SpecifierSet) -> bool:
        return self.provider.dead_ends.in_vain(_Need(name, specifier, str(specifier)))

    def has(self, need: Need) -> bool:
        return self.provider.has_final(need.name, self._asked(need.name, need.text, need.specifier))

    def answers(self, need: Need, *, every: bool) -> Sequence[Version]:
        specifiers = self._asked(need.name, need.text, need.specifier)
        if not every:
            return self.provider.matching(need.name, specifiers)
        return self.provider.every(need.name, specifiers)

    def _asked(self, name: NormalizedName, text: str, specifier: SpecifierSet) -> Specifiers:
        provider = self.provider
        roots = [root for root in provider.question.roots if root.name == name]
        return {**provider.specifiers(name, roots), text: specifier}

    def file(self, name: NormalizedName, version: Version) -> WheelFile:
        return self.provider.file(name, version)

    def needs(self, name: NormalizedName, version: Version) -> Sequence[Requirement] | None:
        provider = self.provider
        candidate = provider.candidate(name, version, frozenset())
        outcome = provider.metadata_of(candidate)
        return None if isinstance(outcome, Unusable) else provider.wanted_by(outcome, candidate)

    def expect(self, file: WheelFile) -> None:
        self.provider.expect(file)
