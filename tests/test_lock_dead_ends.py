"""What the search counts as a dead end is in no answer at all, and it does not walk into one twice."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.kinds.wheel.attempt import Answer, Failure
from tests.test_lock_gallop import Needs, World, pins, search

NAMES = ("aa", "bb", "cc", "dd")
EMPTY = "gone"
"""A project without a file for the target."""


@st.composite
def worlds(draw: st.DrawFn) -> Needs:
    """Small enough for every combination to be looked at; what is needed may be in a circle, or nowhere."""
    found: dict[str, dict[int, list[str]]] = {EMPTY: {}}
    for name in NAMES:
        need = st.builds(
            "{}{}".format,
            st.sampled_from([other for other in (*NAMES, EMPTY) if other != name]),
            st.sampled_from(["", "<2", ">=2", "==1", "!=2", ">3"]),
        )
        count = draw(st.integers(1, 3))
        found[name] = {n: draw(st.lists(need, max_size=2)) for n in range(1, count + 1)}
    return found


ROOTS = st.lists(st.sampled_from([*NAMES, "aa<2", "bb>=2", "cc!=2", "dd==1"]), min_size=1, max_size=3)


def combinations(needs: Needs) -> Iterator[Mapping[str, int]]:
    for chosen in itertools.product(*([None, *needs[name]] for name in NAMES)):
        yield {name: version for name, version in zip(NAMES, chosen, strict=True) if version is not None}


def answers(needs: Needs, roots: Sequence[str]) -> Iterator[Mapping[str, int]]:
    """Every combination that the manifest and all that is in it agree with."""
    for chosen in combinations(needs):
        wanted = [*roots, *(text for name, version in chosen.items() for text in needs[name][version])]
        if all(meets(chosen, Requirement(text)) for text in wanted):
            yield chosen


def meets(chosen: Mapping[str, int], requirement: Requirement) -> bool:
    version = chosen.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(str(version))


@settings(max_examples=80)
@given(worlds(), ROOTS)
def test_a_dead_end_is_in_no_answer(needs: Needs, roots: list[str]) -> None:
    found = search(World(needs), roots, exhaustive=True)
    assert isinstance(found, Answer | Failure)
    possible = list(answers(needs, roots))
    assert (pins(found) is not None) == bool(possible)
    for name in NAMES:
        for version in found.provider.dead_ends.of(NormalizedName(name)):
            assert all(answer.get(name) != int(str(version)) for answer in possible)


def hidden(count: int) -> Needs:
    """Every `app` needs some `mid`, and every `mid` in the end a project that has nothing, beside ones that could vary."""
    return {
        "app": {n: ["other", f"mid>={n % 3}", "free"] for n in range(count)},
        "mid": {n: ["low"] for n in range(count)},
        "low": {n: [EMPTY] for n in range(5)},
        "other": {n: [f"free>={n % 4}"] for n in range(count)},
        "free": {n: [] for n in range(count)},
        EMPTY: {},
    }


def test_what_is_missing_below_many_versions_is_found_once() -> None:
    world = World(hidden(30))
    found = search(world, ["other", "free", "app"], exhaustive=True)
    assert isinstance(found, Failure)
    assert sorted(set(world.read)) == sorted(world.read), "nothing is looked at twice"
    dead = found.provider.dead_ends.of(NormalizedName("low"))
    assert sorted(dead) == [Version(str(n)) for n in range(5)]


def test_a_contradiction_is_told_where_it_begins() -> None:
    found = search(World(hidden(4)), ["app"], exhaustive=True)
    assert isinstance(found, Failure)
    assert {(str(cause.requirement), str(cause.parent)) for cause in found.causes} == {(EMPTY, "low 4")}


def test_a_version_that_one_extra_makes_unusable_is_good_without_it() -> None:
    needs = {
        "lib": {1: [], 2: ["web @ https://files.example/web.whl ; extra == 'online'"]},
        "app": {1: ["lib"], 2: ["lib[online]"]},
    }
    assert pins(search(World(needs), ["app", "lib>=2"], exhaustive=True)) == {"app": 1, "lib": 2}
