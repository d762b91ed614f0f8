"""Versions that no answer can have, learned from what the search has looked into.

A version is a *dead end* where it cannot be used, or needs something of which every version that the manifest and that need leave
is a dead end. That depends on no decision of the search, so what was learned once holds to its end: a need of a package that
has no file for the target is met once, and not again below every combination of everything else. Nothing is asked for that the
search would not ask for.

A pre-release or a yanked version becomes a candidate where somebody names it. So where a project is named so, all of its
versions count, and what was learned before that is forgotten. A pre-release that nobody names, but of which several needs
together leave nothing else (PEP 440), does not count: an answer with such a one may be missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

Extras = frozenset[NormalizedName]


class Need(Protocol):
    @property
    def name(self) -> NormalizedName: ...
    @property
    def extras(self) -> Extras: ...
    @property
    def specifier(self) -> SpecifierSet: ...
    @property
    def text(self) -> str: ...


class Ground(Protocol):
    """What there is to know of a project."""

    def has(self, need: Need) -> bool:
        """Whether a version meets the need that is a candidate whatever else is asked for."""

    def answers(self, need: Need, *, every: bool) -> Sequence[Version]:
        """The versions that the manifest and the need leave; `every` one, or those that would be candidates."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A version with extras."""

    name: NormalizedName
    version: Version
    extras: Extras


@dataclass(slots=True, eq=False)
class _Watch:
    """One need, and who has it."""

    need: Need
    users: list[_Node] = field(default_factory=list)
    passed: int = 0
    """Versions from the front that are dead ends."""


@dataclass(slots=True)
class DeadEnds:
    ground: Ground
    _known: dict[NormalizedName, dict[Version, list[Extras]]] = field(default_factory=dict)
    _reasons: dict[_Node, Need] = field(default_factory=dict)
    _watches: dict[NormalizedName, dict[tuple[str, Extras], _Watch]] = field(default_factory=dict)
    _named: set[NormalizedName] = field(default_factory=set)
    """Projects of which a version was named that would be no candidate otherwise."""

    @property
    def count(self) -> int:
        """How much was learned."""
        return sum(len(found) for versions in self._known.values() for found in versions.values())

    def of(self, name: NormalizedName) -> dict[Version, list[Extras]]:
        """The dead ends of a project: with any of these extras, or more."""
        return self._known.setdefault(name, {})

    def holds(self, name: NormalizedName, version: Version, extras: Extras) -> bool:
        known = self._known.get(name)
        return known is not None and any(one <= extras for one in known.get(version, ()))

    def unusable(self, name: NormalizedName, version: Version, extras: Extras) -> None:
        """With these extras: what it needs without them may be fine."""
        self._mark([_Node(name, version, extras)])

    def learn(self, name: NormalizedName, version: Version, extras: Extras, needs: Iterable[Need]) -> None:
        """Take in what a version with these extras needs."""
        node = _Node(name, version, extras)
        needs = tuple(needs)
        self._name(needs)
        for need in needs:
            watch = self._watches.setdefault(need.name, {}).setdefault((need.text, need.extras), _Watch(need))
            watch.users.append(node)
        for need in needs:
            if self._is_vain(self._watches[need.name][need.text, need.extras]):
                self._reasons.setdefault(node, need)
                self._mark([node])
                return

    def in_vain(self, need: Need) -> bool:
        """Whether it is known that nothing meets the need, without looking at a project that nobody has asked for yet."""
        if need.name not in self._watches:
            return False
        versions = self.ground.answers(need, every=need.name in self._named)
        return all(self.holds(need.name, version, need.extras) for version in versions)

    def behind(self, need: Need) -> tuple[Version, Need] | None:
        """Where nothing meets a need: a version that would, and what it needs in vain. None where there is none of which that
        is known."""
        for version in self.ground.answers(need, every=need.name in self._named):
            if not self.holds(need.name, version, need.extras):
                return None
            for extras in self.of(need.name)[version]:
                if extras <= need.extras and (reason := self._reasons.get(_Node(need.name, version, extras))):
                    return version, reason
        return None

    def _name(self, needs: Iterable[Need]) -> None:
        fresh = {need.name for need in needs if _names(need.specifier)} - self._named
        if not fresh:
            return
        self._named |= fresh
        if any(self._known.values()) and any(self._watches.get(name) for name in fresh):
            self._forget()

    def _forget(self) -> None:
        """What rests on needs alone is worked out again."""
        nodes = (
            _Node(name, version, extras)
            for name, versions in self._known.items()
            for version, known in versions.items()
            for extras in known
        )
        unusable = [node for node in nodes if node not in self._reasons]
        for versions in self._known.values():
            versions.clear()
        self._reasons.clear()
        watches = [watch for table in self._watches.values() for watch in table.values()]
        for watch in watches:
            watch.passed = 0
        self._mark(unusable)
        for watch in watches:
            self._mark(self._in_vain(watch))

    def _mark(self, nodes: list[_Node]) -> None:
        while nodes:
            node = nodes.pop()
            if self.holds(node.name, node.version, node.extras):
                continue
            self._known.setdefault(node.name, {}).setdefault(node.version, []).append(node.extras)
            for watch in self._watches.get(node.name, {}).values():
                nodes += self._in_vain(watch)

    def _in_vain(self, watch: _Watch) -> list[_Node]:
        """Who has the need, where nothing meets it any more."""
        if not self._is_vain(watch):
            return []
        for user in watch.users:
            self._reasons.setdefault(user, watch.need)
        return watch.users

    def _is_vain(self, watch: _Watch) -> bool:
        need = watch.need
        if not self._known.get(need.name) and self.ground.has(need):
            return False
        versions = self.ground.answers(need, every=need.name in self._named)
        while watch.passed < len(versions) and self.holds(need.name, versions[watch.passed], need.extras):
            watch.passed += 1
        return watch.passed == len(versions)


def _names(specifier: SpecifierSet) -> bool:
    """Whether it makes candidates of versions that are none otherwise."""
    return names_prerelease(specifier) or any(map(pins, specifier))


def names_prerelease(specifier: SpecifierSet) -> bool:
    """`<2.0.dev0`, as many write it, is to keep pre-releases of 2.0 out, and asks for none of 1.9."""
    return any(one.prereleases for one in specifier if one.operator != "<")


def pins(specifier: Specifier) -> bool:
    """Whether it names one version exactly."""
    return specifier.operator == "===" or (
        specifier.operator == "==" and not specifier.version.endswith(".*")
    )
