"""Every small world: the search finds an answer where trying everything finds one, and what it finds is one."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as some
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.target import Target
from airlock.kinds.wheel.attempt import Answer, Failure, Unfinished, attempt
from airlock.kinds.wheel.metadata import Metadata, Unusable, applies
from airlock.kinds.wheel.provider import Question, asked
from airlock.kinds.wheel.releases import Releases, WheelFile

TARGET = Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
NAMES = tuple(canonicalize_name(name) for name in ("a", "b", "c", "d", "e"))
VERSIONS = ("1", "2", "3", "4")
ROUNDS = 5_000
Project = Mapping[Version, tuple[Requirement, ...] | None]
"""What each version needs; None where its metadata cannot be read."""
World = Mapping[NormalizedName, Project]
Pins = Mapping[NormalizedName, Version]


@dataclass(frozen=True, slots=True)
class Known:
    """An index in memory, as `provider.Facts`."""

    world: World

    def releases(self, name: NormalizedName) -> Releases:
        return {version: wheel(name, version) for version in sorted(self.world.get(name, {}), reverse=True)}

    def metadata(self, file: WheelFile) -> Metadata | Unusable:
        needs = self.world[file.name][file.version]
        if needs is None:
            return Unusable("not to be read")
        return Metadata(requirements=needs, extras=frozenset({canonicalize_name("more")}), requires_python="")

    def expect(self, file: WheelFile) -> None: ...
    def tried(self, file: WheelFile) -> None: ...
    def foresee(self, name: NormalizedName, specifier: SpecifierSet) -> None: ...


def wheel(name: NormalizedName, version: Version) -> WheelFile:
    return WheelFile(
        name=name,
        version=version,
        file=f"{name}-{version}-py3-none-any.whl",
        index="default",
        url="",
        digest=None,
        size=None,
        metadata=None,
        yanked=None,
    )


bounds = some.sampled_from(["", "", ">=2", ">=3", "<2", "<3", "<4", "==1", "==3", "!=2", ">=2,<4", ">4"])
extras = some.sampled_from(["", "", "", "[more]"])
marks = some.sampled_from(["", "", "", "; extra == 'more'"])
needs = some.builds("{}{}{}{}".format, some.sampled_from(NAMES), extras, bounds, marks).map(Requirement)
roots = some.builds("{}{}{}".format, some.sampled_from(NAMES), extras, bounds).map(Requirement)
projects = some.dictionaries(
    some.sampled_from(VERSIONS).map(Version),
    some.one_of(some.none(), *(some.lists(needs, max_size=3).map(tuple) for _ in range(6))),
    min_size=1,
)
liked = some.dictionaries(
    some.sampled_from(NAMES), some.sampled_from(VERSIONS).map(lambda text: (Version(text),))
)
worlds = some.fixed_dictionaries(dict.fromkeys(NAMES, projects))


def solve(question: Question, world: World) -> Pins | None:
    """As `resolve`: galloping first, each release where that came to nothing."""
    found = attempt(question, Known(world), ROUNDS)
    if isinstance(found, Failure) and found.provider.gallop.skipped.total():
        found = attempt(replace(question, exhaustive=True), Known(world), ROUNDS)
    assert not isinstance(found, Unfinished)
    if isinstance(found, Answer):
        return {name: candidate.version for name, candidate in found.mapping.items()}
    return None


def holds(asked_for: list[Requirement], constraints: list[Requirement], pins: Pins, world: World) -> bool:
    """Whether everything that is reached from the requirements along the pins is met."""
    met: dict[NormalizedName, frozenset[str]] = {}
    queue = list(asked_for)
    while queue:
        one = queue.pop()
        name = canonicalize_name(one.name)
        version = pins.get(name)
        if version is None or not one.specifier.contains(version):
            return False
        if any(name == other.name and version not in other.specifier for other in constraints):
            return False
        wanted = met.get(name, frozenset()) | one.extras
        if name in met and wanted == met[name]:
            continue
        met[name] = wanted
        found = world[name][version]
        if found is None:
            return False
        queue += [need for need in found if applies(need, TARGET, wanted)]
    return True


def everything(world: World) -> Iterator[Pins]:
    for versions in itertools.product(*(world[name] for name in NAMES)):
        yield dict(zip(NAMES, versions, strict=True))


@settings(max_examples=150, deadline=None)
@given(
    world=worlds,
    asked_for=some.lists(roots, min_size=1, max_size=3),
    constraints=some.lists(
        some.builds("{}{}".format, some.sampled_from(NAMES), bounds).map(Requirement), max_size=2
    ),
    preferred=liked,
)
def test_the_search_agrees_with_trying_everything(
    world: World,
    asked_for: list[Requirement],
    constraints: list[Requirement],
    preferred: Mapping[NormalizedName, tuple[Version, ...]],
) -> None:
    limits: dict[NormalizedName, tuple[SpecifierSet, ...]] = {}
    for one in constraints:
        name = canonicalize_name(one.name)
        limits[name] = (*limits.get(name, ()), one.specifier)
    question = Question(
        roots=tuple(asked(one, None) for one in asked_for),
        constraints=limits,
        preferred=preferred,
        target=TARGET,
    )
    found = solve(question, world)
    if found is None:
        assert not any(holds(asked_for, constraints, pins, world) for pins in everything(world))
    else:
        assert holds(asked_for, constraints, found, world)


def test_what_was_learned_below_a_choice_does_not_take_the_other_choice_away() -> None:
    """It once ended the search: `c` 2 was known to lead nowhere while it was still decided, and 1 was never tried."""
    a, b, c, d, e = NAMES
    one = Version("1")
    world: World = {
        a: {one: None},
        b: {one: ()},
        c: {one: (), Version("2"): (Requirement("d"),)},
        d: {one: (Requirement("e"),)},
        e: {one: (Requirement("a"),)},
    }
    roots = tuple(asked(Requirement(name), None) for name in (b, c))
    found = solve(Question(roots=roots, constraints={}, preferred={}, target=TARGET), world)
    assert found == {b: one, c: one}
