"""What is chosen: each rule of Debian's relationships, and the base that is already there."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core.digest import digest_of
from airlock.errors import ResolutionError, UsageError
from airlock.kinds.deb.base import read_base
from airlock.kinds.deb.ground import Ground
from airlock.kinds.deb.packages import Origin, Universe
from airlock.kinds.deb.relations import parse_groups, parse_relation
from airlock.kinds.deb.resolve import Question, resolve
from airlock.kinds.deb.versions import holds, version_key

ORIGIN = Origin(archive="site", suite="stable", index=digest_of(b""), release=digest_of(b""), date="")


def universe_of(*stanzas: str) -> Universe:
    """`stanzas` are `NAME VERSION`, and fields on lines of their own."""
    universe = Universe(architecture="amd64")
    blocks = []
    for stanza in stanzas:
        head, *fields = stanza.split("\n")
        name, version = head.split()
        lines = [f"Package: {name}", f"Version: {version}", *fields]
        lines += [] if any(line.startswith("Architecture") for line in fields) else ["Architecture: amd64"]
        lines += [f"Filename: pool/{name}_{version}.deb", "Size: 1", f"SHA256: {'0' * 64}"]
        blocks.append("\n".join(lines))
    universe.add("\n\n".join(blocks), "index", ORIGIN)
    return universe


def chosen(
    universe: Universe, *packages: str, base: str = "", recommends: bool = False, **previous: str
) -> dict[str, str]:
    question = Question(
        ground=Ground(universe, read_base(base.encode(), "base.txt", universe)),
        packages=tuple(map(parse_relation, packages)),
        recommends=recommends,
        previous=previous,
    )
    return {one.name: one.version for one in resolve(question, "airlock.toml: deb[0]")}


def test_the_newest_version_and_all_that_it_needs() -> None:
    found = chosen(
        universe_of("a 1", "a 2\nDepends: b (>= 1), c", "b 0.9", "b 1.1\nPre-Depends: d", "c 1", "d 1"), "a"
    )
    assert found == {"a": "2", "b": "1.1", "c": "1", "d": "1"}


def test_what_the_base_has_is_not_carried() -> None:
    assert chosen(
        universe_of("a 1\nDepends: b (>= 1)", "b 2"), "a", base="b 1 amd64 install ok installed"
    ) == {"a": "1"}


def test_what_the_base_has_too_old_is_carried_anew() -> None:
    assert chosen(universe_of("a 1\nDepends: b (>= 2)", "b 2"), "a", base="b 1 amd64") == {"a": "1", "b": "2"}


def test_what_is_asked_for_is_as_new_as_it_can_be_though_the_base_has_it() -> None:
    assert chosen(universe_of("a 2"), "a", base="a 1 amd64") == {"a": "2"}
    assert chosen(universe_of("a 2"), "a", base="a 2 amd64") == {}
    assert chosen(universe_of("a 2"), "a", base="a 3 amd64") == {}


def test_what_the_base_no_longer_has_installed_does_not_count() -> None:
    base = "b 1 amd64 deinstall ok config-files"
    assert chosen(universe_of("a 1\nDepends: b", "b 1"), "a", base=base) == {"a": "1", "b": "1"}


def test_a_copy_of_the_status_file_is_a_base_as_well() -> None:
    base = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nProvides: c\n"
    assert chosen(universe_of("a 1\nDepends: b, c", "b 2", "c 1"), "a", base=base) == {"a": "1"}


def test_the_first_alternative_unless_another_is_there() -> None:
    universe = universe_of("a 1\nDepends: b | c", "b 1", "c 1")
    assert chosen(universe, "a") == {"a": "1", "b": "1"}
    assert chosen(universe, "a", base="c 1 amd64") == {"a": "1"}
    assert chosen(universe, "a", "c") == {"a": "1", "c": "1"}


def test_an_alternative_that_nobody_has_is_passed_over() -> None:
    assert chosen(universe_of("a 1\nDepends: b (>= 2) | c", "b 1", "c 1"), "a") == {"a": "1", "c": "1"}


def test_a_name_that_is_provided() -> None:
    assert chosen(universe_of("a 1\nDepends: mta", "exim 1\nProvides: mta"), "a") == {"a": "1", "exim": "1"}
    assert chosen(universe_of("exim 1\nProvides: mta"), "mta") == {"exim": "1"}


@pytest.mark.parametrize(
    ("mention", "taken"),
    [
        ("", "netavark"),
        ("\nRecommends: netavark (>= 1)", "cni"),
        ("\nSuggests: whatever |\n netavark", "cni"),
        ("\nBreaks: netavark\nDepends: cni", "netavark"),
        ("\nDepends: netavark:any", "netavark"),
        ("\nDescription: netavark", "netavark"),
    ],
)
def test_of_packages_that_provide_a_name_apt_takes_the_one_that_was_mentioned_last(
    mention: str, taken: str
) -> None:
    universe = universe_of(
        "a 1\nDepends: stack", f"aardvark 1{mention}", "cni 1\nProvides: stack", "netavark 1\nProvides: stack"
    )
    assert chosen(universe, "a") == {"a": "1", taken: "1"}


def test_a_versioned_need_is_met_by_what_provides_that_version_alone() -> None:
    without = universe_of("a 1\nDepends: api (>= 2)", "b 9\nProvides: api")
    with pytest.raises(ResolutionError, match=r"a 1 needs api \(>= 2\), and there is no api, but b"):
        chosen(without, "a")
    versioned = universe_of(
        "a 1\nDepends: api (>= 2)", "b 9\nProvides: api (= 1)", "c 1\nProvides: api (= 2)"
    )
    assert chosen(versioned, "a") == {"a": "1", "c": "1"}


def test_a_conflict_leads_to_the_other_alternative() -> None:
    universe = universe_of("a 1\nDepends: b | c, d", "b 1\nConflicts: d", "c 1", "d 1")
    assert chosen(universe, "a") == {"a": "1", "c": "1", "d": "1"}


def test_a_package_may_conflict_with_the_name_that_it_provides() -> None:
    universe = universe_of(
        "exim 1\nProvides: mta\nConflicts: mta", "postfix 1\nProvides: mta\nConflicts: mta"
    )
    assert chosen(universe, "exim") == {"exim": "1"}
    with pytest.raises(ResolutionError, match="exim 1 does not go with postfix"):
        chosen(universe, "exim", "postfix")


def test_what_breaks_an_old_part_of_the_base_brings_the_new_one() -> None:
    universe = universe_of("a 2\nBreaks: b (<< 2)", "b 2")
    assert chosen(universe, "a", base="b 1 amd64") == {"a": "2", "b": "2"}


def test_the_base_is_never_taken_away() -> None:
    with pytest.raises(ResolutionError, match=r"does not go with b: .*which the far machine has as b 1"):
        chosen(universe_of("a 1\nConflicts: b"), "a", base="b 1 amd64")


def test_what_rests_on_the_exact_version_in_the_base_moves_with_it() -> None:
    universe = universe_of(
        "a 1\nDepends: lib (>= 2)",
        "lib 1",
        "lib 2",
        "tool 1\nDepends: lib (= 1)",
        "tool 2\nDepends: lib (= 2)",
    )
    assert chosen(universe, "a", base="lib 1 amd64\ntool 1 amd64") == {"a": "1", "lib": "2", "tool": "2"}


def test_what_in_the_base_conflicts_with_a_new_package_is_refused_or_moves() -> None:
    universe = universe_of("a 1", "old 1\nConflicts: a", "old 2")
    assert chosen(universe, "a", base="old 1 amd64") == {"a": "1", "old": "2"}


def test_recommendations_are_taken_where_they_can_be() -> None:
    universe = universe_of("a 1\nRecommends: b, c (>= 9), e | f", "b 1", "c 1", "f 1")
    assert chosen(universe, "a") == {"a": "1"}
    assert chosen(universe, "a", recommends=True) == {"a": "1", "b": "1", "f": "1"}


def test_a_recommendation_is_no_reason_to_fail() -> None:
    universe = universe_of("a 1\nRecommends: b\nDepends: c", "b 1\nConflicts: c", "c 1")
    assert chosen(universe, "a", recommends=True) == {"a": "1", "c": "1"}


def test_what_was_locked_stays_as_long_as_it_will_do() -> None:
    universe = universe_of("a 1", "a 2", "b 1\nDepends: a", "b 2\nDepends: a (>= 2)")
    assert chosen(universe, "b", b="1", a="1") == {"a": "1", "b": "1"}
    assert chosen(universe, "b (>= 2)", b="1", a="1") == {"a": "2", "b": "2"}


def test_an_older_version_where_the_manifest_asks_for_it() -> None:
    universe = universe_of("a 1\nDepends: a-data (= 1)", "a 2\nDepends: a-data (= 2)", "a-data 1", "a-data 2")
    assert chosen(universe, "a (<< 2)") == {"a": "1", "a-data": "1"}


def test_other_architectures_do_not_count() -> None:
    universe = universe_of(
        "a 1\nDepends: b:any, c:amd64", "a 2\nArchitecture: arm64", "b 1\nArchitecture: all", "c 1"
    )
    assert chosen(universe, "a") == {"a": "1", "b": "1", "c": "1"}
    with pytest.raises(ResolutionError, match="no set of packages fits"):
        chosen(universe_of("a 1\nDepends: b:i386", "b 1"), "a")


def test_a_ring_of_dependencies() -> None:
    assert chosen(universe_of("a 1\nDepends: b", "b 1\nDepends: a"), "a") == {"a": "1", "b": "1"}


def test_the_message_says_who_needs_what() -> None:
    with pytest.raises(ResolutionError) as caught:
        chosen(universe_of("a 1\nDepends: b (>= 2)", "b 1"), "a")
    assert "a 1 needs b (>= 2), and there is b 1" in str(caught.value)
    with pytest.raises(ResolutionError, match="the manifest needs nginx, and there is no nginx"):
        chosen(universe_of("a 1"), "nginx")


VERSIONS = ("1", "1.0", "1.0~", "1.0~rc1", "1.0~rc1-1", "1:0.1", "0:1.0", "1.0-1", "1.0-1+b1", "1.0+dfsg-1", "1.0.1", "1.0a", "1.0-0", "12~", "1.2.3~~", "1.2.3~~a", "2.36-9+deb12u10", "2.36-9+deb12u9")  # fmt: skip
ALPHABET = st.text("0123456789abzAZ.+~", min_size=1, max_size=8).map(lambda text: "1" + text)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(max_examples=60, deadline=None)
@given(st.one_of(ALPHABET, st.sampled_from(VERSIONS)), st.one_of(ALPHABET, st.sampled_from(VERSIONS)))
def test_versions_are_ordered_as_dpkg_orders_them(one: str, two: str) -> None:
    for word, operator in (("lt", "<<"), ("eq", "="), ("gt", ">>")):
        asked = subprocess.run(
            ["dpkg", "--compare-versions", one, word, two], check=False, capture_output=True
        )
        assert holds(one, operator, two) == (asked.returncode == 0), f"{one} {operator} {two}"


def test_a_version_is_its_own_equal_in_other_words() -> None:
    assert version_key("0:1.0-0") == version_key("1.0")
    assert holds("1.0", "", "")


@pytest.mark.parametrize("text", ["a (>= )", "a (1)", "A", "a b", "a (>= 1", "a (~ 1)", "", "a | | b"])
def test_what_is_no_relationship_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a relationship"):
        parse_groups(text or "a,|")


def test_relationships_in_all_their_spellings() -> None:
    (first, second) = parse_groups("a:any(>=1) |\n b ,c(<2)")
    assert [str(one) for one in first] == ["a:any (>= 1)", "b"]
    assert [str(one) for one in second] == ["c (<= 2)"]


def test_a_base_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is of a machine with another architecture"):
        read_base(b"a 1 arm64 install ok installed\n", "base.txt", universe_of("a 1"))
    with pytest.raises(UsageError, match=r"base.txt: line 2: not a package"):
        read_base(b"a 1 amd64\nwhatever\n", "base.txt", universe_of("a 1"))
