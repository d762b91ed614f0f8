"""Overrides and excludes: where the manifest knows better than what a package says of itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One entry of `overrides` or `excludes`. An exclude has a requirement that is a name alone."""

    requirement: Requirement
    parent: NormalizedName | None
    """The package whose requirement is meant (`of`); None for every package's, and the manifest's own."""
    reason: str

    @property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    def document(self) -> list[str]:
        """What decides an answer: not the reason."""
        return [str(self.requirement), self.parent or ""]

    def __str__(self) -> str:
        of = f" of {self.parent}" if self.parent else ""
        return f"{self.requirement}{of}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendments:
    overrides: tuple[Amendment, ...] = ()
    excludes: tuple[Amendment, ...] = ()

    def on(self, applies: Callable[[Requirement], bool]) -> "Amended":
        """What they come to on one target."""
        return Amended(
            overrides=_by_name(self.overrides),
            excludes=_by_name(self.excludes),
            applying=frozenset(one for one in (*self.overrides, *self.excludes) if applies(one.requirement)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """See `Amendments.on`. An override whose marker does not hold takes the requirement away."""

    overrides: Mapping[NormalizedName, tuple[Amendment, ...]] = field(default_factory=dict)
    excludes: Mapping[NormalizedName, tuple[Amendment, ...]] = field(default_factory=dict)
    applying: frozenset[Amendment] = frozenset()

    def __call__(
        self, requirements: Iterable[Requirement], parent: NormalizedName | None
    ) -> list[Requirement]:
        """The requirements of `parent` that count; the extras that were asked for stay."""
        if not self.overrides and not self.excludes:
            return list(requirements)
        return [two for one in requirements for two in self._amended(one, parent)]

    def everywhere(self, name: NormalizedName) -> bool:
        """Whether nothing may need the package, so that no index need be asked for it."""
        return any(one.parent is None and one in self.applying for one in self.excludes.get(name, ()))

    def _amended(self, requirement: Requirement, parent: NormalizedName | None) -> Iterator[Requirement]:
        name = canonicalize_name(requirement.name)
        if any(one in self.applying for one in _meant(self.excludes.get(name, ()), parent)):
            return
        overrides = _meant(self.overrides.get(name, ()), parent)
        if not overrides:
            yield requirement
        for one in overrides:
            if one in self.applying:
                amended = copy(one.requirement)
                amended.extras = one.requirement.extras | requirement.extras
                yield amended


def _meant(amendments: Iterable[Amendment], parent: NormalizedName | None) -> list[Amendment]:
    """Those for this parent, else those for every one."""
    found = list(amendments)
    return [one for one in found if one.parent is not None and one.parent == parent] or [
        one for one in found if one.parent is None
    ]


def _by_name(amendments: Iterable[Amendment]) -> dict[NormalizedName, tuple[Amendment, ...]]:
    found: dict[NormalizedName, tuple[Amendment, ...]] = {}
    for one in amendments:
        found[one.name] = (*found.get(one.name, ()), one)
    return found


def read_amendments(
    fields: Fields, key: str, check: Callable[[Requirement], str | None]
) -> tuple[Amendment, ...]:
    """A list of requirements, or of tables with `requirement`, `reason` and `of`, sorted. Raises UsageError."""
    found = [_amendment(table, check, scoped=key != "constraints") for table in _tables(fields, key)]
    return tuple(sorted(found, key=lambda one: (one.name, one.document())))


def _tables(fields: Fields, key: str) -> Iterator[Fields]:
    value = fields.raw(key)
    if value is None:
        return
    if not isinstance(value, list):
        raise fields.fault(key, "expected an array")
    for number, item in enumerate(value):
        table = {"requirement": item} if isinstance(item, str) else item
        yield Fields(table, fields.where, fields.error, f"{fields.path}.{key}[{number}]")


def _amendment(table: Fields, check: Callable[[Requirement], str | None], *, scoped: bool) -> Amendment:
    """Only what is `scoped` can concern the requirements of one package alone."""
    parent = table.optional_text("of") if scoped else None
    found = Amendment(
        requirement=read_requirement(table, "requirement", table.text("requirement"), check),
        parent=None if parent is None else canonicalize_name(parent),
        reason=table.text("reason", ""),
    )
    table.raw("reason")
    table.done()
    return found


def read_requirement(
    fields: Fields, key: str, text: str, check: Callable[[Requirement], str | None]
) -> Requirement:
    """Raises UsageError."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise fields.fault(key, f"not a requirement (PEP 508): {text!r}", hint='as "numpy>=2"') from error
    if problem := check(requirement):
        raise fields.fault(key, f"{text!r}: {problem}")
    return requirement


def check_exclude(requirement: Requirement) -> str | None:
    if requirement.url or requirement.extras or requirement.specifier:
        return "an exclude is the name of a package alone"
    return None
