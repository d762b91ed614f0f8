"""Galloping past releases comes to the answer of a search of every release, or to the one that its documentation admits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.target import Target
from airlock.kinds.wheel.attempt import Answer, Failure, Unfinished, attempt
from airlock.kinds.wheel.metadata import Metadata, Unusable
from airlock.kinds.wheel.provider import Question, asked
from airlock.kinds.wheel.releases import Releases, WheelFile

TARGET = Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
Needs = Mapping[str, Mapping[int, Sequence[str]]]
"""By project and version, what it needs."""


@dataclass(slots=True)
class World:
    """An index in memory; it records which metadata were read."""

    needs: Needs
    read: list[str] = field(default_factory=list)

    def releases(self, name: NormalizedName) -> Releases:
        versions = sorted((Version(str(number)) for number in self.needs.get(name, {})), reverse=True)
        return {version: _file(name, version) for version in versions}

    def metadata(self, file: WheelFile) -> Metadata | Unusable:
        self.read.append(file.file)
        needs = self.needs[file.name][int(str(file.version))]
        requirements = tuple(Requirement(text) for text in needs)
        return Metadata(requirements=requirements, extras=frozenset(), requires_python="")

    def expect(self, file: WheelFile) -> None:
        """Nothing is slow here."""

    def tried(self, file: WheelFile) -> None:
        """Nothing is slow here."""

    def foresee(self, name: NormalizedName, specifier: SpecifierSet) -> None:
        """Nothing is slow here."""


def _file(name: NormalizedName, version: Version) -> WheelFile:
    return WheelFile(
        name=name,
        version=version,
        file=f"{name}-{version}-py3-none-any.whl",
        index="default",
        url="https://files.example/x.whl",
        digest=None,
        size=None,
        metadata=None,
        yanked=None,
    )


def search(world: World, roots: Sequence[str], *, exhaustive: bool) -> Answer | Failure | Unfinished:
    question = Question(
        roots=tuple(asked(Requirement(text), None) for text in roots),
        constraints={},
        preferred={},
        target=TARGET,
        exhaustive=exhaustive,
    )
    return attempt(question, world, 20_000)  # answers what a shelf answers


def pins(found: Answer | Failure | Unfinished) -> dict[str, int] | None:
    if not isinstance(found, Answer):
        return None
    return {name: int(str(pin.version)) for name, pin in found.mapping.items()}


def in_step(count: int, live: int) -> Needs:
    """`client` and `core` are released together; from `live` on, `core` needs a `base` of 2 or more."""
    return {
        "client": {n: [f"core=={n}"] for n in range(count)},
        "core": {n: ["base>=2" if n >= live else "base"] for n in range(count)},
        "base": {1: [], 2: []},
    }


@settings(max_examples=40)
@given(st.integers(10, 60), st.integers(0, 60))
def test_releases_in_step_give_the_answer_of_an_exhaustive_search(count: int, live: int) -> None:
    needs = in_step(count, min(live, count))
    roots = ["client", "base<2"]
    galloping = search(World(needs), roots, exhaustive=False)
    assert pins(galloping) == pins(search(World(needs), roots, exhaustive=True))
    assert (pins(galloping) is None) == (live == 0)


def test_hundreds_of_releases_in_step_take_a_few_dozen_looks() -> None:
    needs, roots = in_step(150, 30), ["client", "base<2"]
    galloping, exhaustive = World(needs), World(needs)
    assert pins(search(galloping, roots, exhaustive=False)) == {"client": 29, "core": 29, "base": 1}
    assert pins(search(exhaustive, roots, exhaustive=True)) == {"client": 29, "core": 29, "base": 1}
    assert len(set(galloping.read)) < 80 < 230 < len(set(exhaustive.read))


def test_an_odd_live_release_may_be_missed_and_a_search_of_every_release_finds_it() -> None:
    needs = {name: dict(versions) for name, versions in in_step(100, 20).items()}
    needs["core"][70] = ["base"]
    roots = ["client", "base<2"]
    assert pins(search(World(needs), roots, exhaustive=True)) == {"client": 70, "core": 70, "base": 1}
    assert pins(search(World(needs), roots, exhaustive=False)) == {"client": 19, "core": 19, "base": 1}


NAMES = ("aa", "bb", "cc")


@st.composite
def worlds(draw: st.DrawFn) -> Needs:
    """A few projects with runs of releases that need the same of each other."""
    found: dict[str, dict[int, list[str]]] = {"base": {1: [], 2: [], 3: []}}
    for place, name in enumerate(NAMES):
        below = (*NAMES[place + 1 :], "base")
        versions: dict[int, list[str]] = {}
        for _ in range(draw(st.integers(1, 3))):
            other = draw(st.sampled_from(below))
            bound = draw(st.sampled_from(["", "<2", ">=2", "==1", "<12", ">=8", "=={n}"]))
            for _ in range(draw(st.integers(1, 14))):
                number = len(versions) + 1
                versions[number] = [other + bound.format(n=number)]
        found[name] = versions
    return found


ROOTS = st.lists(
    st.sampled_from(["aa", "bb", "cc", "base<2", "base>=2", "base==3", "cc<9", "bb<20"]),
    min_size=1,
    max_size=4,
    unique=True,
)


@settings(max_examples=40)
@given(worlds(), ROOTS)
def test_what_galloping_finds_meets_every_requirement(needs: Needs, roots: list[str]) -> None:
    found = pins(search(World(needs), roots, exhaustive=False))
    assume(found is not None)
    assert found is not None
    wanted = [*roots, *(text for name, number in found.items() for text in needs[name][number])]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(str(found[canonicalize_name(requirement.name)]))


@settings(max_examples=40)
@given(worlds(), ROOTS)
def test_where_nothing_was_skipped_the_answers_are_one(needs: Needs, roots: list[str]) -> None:
    galloping = search(World(needs), roots, exhaustive=False)
    exhaustive = search(World(needs), roots, exhaustive=True)
    if isinstance(galloping, Unfinished) or galloping.provider.gallop.skipped.total():
        # An answer that galloping has is one that there is.
        assert pins(galloping) is None or pins(exhaustive) is not None
    else:
        assert pins(galloping) == pins(exhaustive)


@settings(max_examples=40)
@given(worlds(), ROOTS)
def test_a_search_depends_on_the_index_alone(needs: Needs, roots: list[str]) -> None:
    turned = {name: dict(sorted(versions.items(), reverse=True)) for name, versions in needs.items()}
    first, second = World(needs), World(turned)
    assert pins(search(first, roots, exhaustive=False)) == pins(search(second, roots, exhaustive=False))
    assert first.read == second.read


def test_a_source_distribution_is_never_built_by_a_probe() -> None:
    needs = in_step(100, 20)

    class Sources(World):
        def releases(self, name: NormalizedName) -> Releases:
            return {
                version: replace(file, file=f"{name}-{version}.tar.gz") if version < Version("50") else file
                for version, file in World.releases(self, name).items()
            }

    world = Sources(needs)
    found = search(world, ["client", "base<2"], exhaustive=False)
    assert pins(found) == {"client": 19, "core": 19, "base": 1}
