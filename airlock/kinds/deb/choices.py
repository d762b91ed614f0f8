"""The words between the resolver and resolvelib: requirements and candidates."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airlock.kinds.deb.packages import Package

if TYPE_CHECKING:
    from airlock.kinds.deb.ground import Ground

Path = tuple[int, ...]
"""Where a requirement stands: the numbers of what leads to it, from the manifest on. Sorted, that is depth first."""


@dataclass(frozen=True, slots=True, eq=False)
class Absent:
    """The package is not there."""

    key: str


@dataclass(frozen=True, slots=True, eq=False)
class Nothing:
    """None of the alternatives of a recommendation."""

    text: str

    @property
    def key(self) -> str:
        return f"? {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Option:
    """One alternative of `text`."""

    name: str
    allowed: frozenset[str]
    """Versions."""
    text: str
    parent: Package | None

    @property
    def key(self) -> str:
        return f"? {self.text}"


Candidate = Package | Absent | Nothing | Option


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Needs:
    name: str
    allowed: frozenset[str]
    """Versions."""
    text: str
    parent: Package | None
    """Who says so; the manifest where it is None."""
    path: Path
    newest: bool = False
    """Whether the newest is wanted, though the far machine has one that would do."""

    @property
    def key(self) -> str:
        return self.name

    def takes(self, candidate: Candidate) -> bool:
        return isinstance(candidate, Package) and candidate.version in self.allowed

    def sentence(self, ground: "Ground") -> str:
        who = str(self.parent) if self.parent else "the manifest"
        return (
            f"{who} needs {self.text}{'' if self.allowed else f', and there is {ground.what_is(self.name)}'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    name: str
    barred: frozenset[str]
    """Versions."""
    text: str
    parent: Package
    path: Path

    @property
    def key(self) -> str:
        return self.name

    def takes(self, candidate: Candidate) -> bool:
        return not (isinstance(candidate, Package) and candidate.version in self.barred)

    def sentence(self, ground: "Ground") -> str:
        there = f", which the far machine has as {found}" if (found := ground.base.get(self.name)) else ""
        return f"{self.parent} does not go with {self.name}: {self.text}{there}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chooses:
    text: str
    options: tuple[Option, ...]
    parent: Package
    path: Path
    nothing: Nothing | None
    """Where none of them is an answer as well."""

    @property
    def key(self) -> str:
        return f"? {self.text}"

    def takes(self, candidate: Candidate) -> bool:
        if isinstance(candidate, Nothing):
            return self.nothing is not None
        return isinstance(candidate, Option) and candidate.text == self.text

    def sentence(self, ground: "Ground") -> str:
        return f"{self.parent} needs {self.text}"


Requirement = Needs | Bars | Chooses
