"""What the resolver stands on: what the archive offers and what the far machine has, and what one means for the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airlock.kinds.deb.choices import Absent, Candidate, Option
from airlock.kinds.deb.packages import PRIORITIES, Package, Universe
from airlock.kinds.deb.relations import Group, Relation, text_of
from airlock.kinds.deb.versions import version_key

Barred = tuple[str, frozenset[str], str]
"""A package, versions of it, and why."""


@dataclass(slots=True)
class Ground:
    universe: Universe
    base: dict[str, Package]
    """What the far machine has, by name."""
    _absent: dict[str, Absent] = field(default_factory=dict)
    _candidates: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    _options: dict[str, tuple[Option, ...]] = field(default_factory=dict)
    _base_provides: dict[str, list[str]] = field(default_factory=dict)
    _base_needs: dict[str, list[tuple[Package, Group]]] = field(default_factory=dict)
    _base_conflicts: dict[str, list[tuple[Package, Relation]]] = field(default_factory=dict)

    def __init__(self, universe: Universe, base: Iterable[Package]) -> None:
        self.universe, self.base = universe, {one.name: one for one in base}
        self._absent, self._candidates, self._options = {}, {}, {}
        self._base_provides, self._base_needs, self._base_conflicts = {}, {}, {}
        for package in self.base.values():
            for provided in package.provides:
                self._base_provides.setdefault(provided.name, []).append(package.name)
            for group in package.depends:
                for relation in group:
                    self._base_needs.setdefault(relation.name, []).append((package, group))
            for relation in package.conflicts:
                self._base_conflicts.setdefault(relation.name, []).append((package, relation))

    def absent(self, name: str) -> Absent:
        return self._absent.setdefault(name, Absent(name))

    def candidates(self, name: str) -> tuple[Package, ...]:
        """What the far machine has, else every version of the archive, the newest first; of what it has, newer ones too."""
        if (known := self._candidates.get(name)) is None:
            offered = self.universe.versions(name)
            if (installed := self.base.get(name)) is not None:
                floor = version_key(installed.version)
                newer = (one for one in offered if version_key(one.version) > floor)
                known = (*newer, installed)
            else:
                known = offered
            self._candidates[name] = known
        return known

    def ordered(self, name: str, previous: str | None, newest: bool) -> Iterator[Candidate]:
        """In the order in which they are tried: what is there, what was locked before, the newest. The newest goes before
        what is there, but not before what was locked, where that is wanted."""
        found = self.candidates(name)
        first = [one for one in found if one.installed and not newest]
        first += [one for one in found if one.version == previous and not one.installed]
        yield from first
        yield from (one for one in found if one not in first)

    def versions_for(self, name: str, relation: Relation) -> frozenset[str]:
        return frozenset(one.version for one in self.candidates(name) if _satisfies(one, relation, self))

    def options(self, group: Group, package: Package | None) -> tuple[Option, ...]:
        """The packages that answer a group of alternatives, in the order in which they are preferred. The same objects for the
        same text, whoever asks."""
        text = text_of(group)
        if (known := self._options.get(text)) is None:
            found: dict[str, frozenset[str]] = {}
            for relation in group:
                for name in (relation.name, *self._providers(relation.name)):
                    if (allowed := self.versions_for(name, relation)) and name not in found:
                        found[name] = allowed
            known = self._options[text] = tuple(
                Option(name=name, allowed=allowed, text=text, parent=package)
                for name, allowed in found.items()
            )
        return known

    def _providers(self, name: str) -> list[str]:
        """The base's own, then by priority, and of one priority what the indexes mention last first, as apt has it."""
        own = [one for one in self._base_provides.get(name, ()) if one != name]
        others = [one for one in self.universe.providers(name) if one not in own]
        if len(others) < 2:
            return own + others
        return own + sorted(others, key=lambda one: (self._priority(one), -self.universe.mentioned(one)))

    def _priority(self, name: str) -> int:
        found = (
            PRIORITIES.index(one.priority) for one in self.candidates(name) if one.priority in PRIORITIES
        )
        return next(found, len(PRIORITIES))

    def barred_by(self, package: Package) -> Iterator[Barred]:
        """What cannot be there beside a new package: what it conflicts with, what of the base conflicts with it, and what of
        the base rests on the version that it replaces."""
        for relation in package.conflicts:
            for name in (
                relation.name,
                *self.universe.providers(relation.name),
                *self._base_provides.get(relation.name, ()),
            ):
                if name != package.name and (versions := self.versions_for(name, relation)):
                    yield name, versions, f"it conflicts with {relation}"
        for name in {package.name, *(one.name for one in package.provides)}:
            for other, relation in self._base_conflicts.get(name, ()):
                if other.name != package.name and _satisfies(package, relation, self):
                    yield other.name, frozenset({other.version}), f"{other} conflicts with {relation}"
        if (replaced := self.base.get(package.name)) is not None:
            yield from self._left_alone(replaced, package)

    def _left_alone(self, replaced: Package, package: Package) -> Iterator[Barred]:
        for name in {replaced.name, *(one.name for one in replaced.provides)}:
            for other, group in self._base_needs.get(name, ()):
                if not self._still_there(group, package):
                    yield other.name, frozenset({other.version}), f"{other} needs {text_of(group)}"

    def _still_there(self, group: Group, package: Package) -> bool:
        """Whether a group that the base answers is still answered once `package` takes the place of its earlier version."""
        for relation in group:
            for name in (relation.name, *self._base_provides.get(relation.name, ())):
                found = package if name == package.name else self.base.get(name)
                if found and _satisfies(found, relation, self):
                    return True
        return False

    def what_is(self, name: str) -> str:
        """For messages."""
        if versions := [one.version for one in self.candidates(name)]:
            return f"{name} {', '.join(versions[:3])}"
        if providers := self._providers(name):
            return f"no {name}, but {', '.join(providers[:5])} that provide it"
        return f"no {name}"


def _satisfies(package: Package, relation: Relation, ground: Ground) -> bool:
    """An architecture is answered by that of the target alone."""
    if relation.qualifier not in ("", "any", "native", ground.universe.architecture):
        return False
    return package.satisfies(relation)
