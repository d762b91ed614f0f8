"""What gets pinned: markers, tags, extras, versions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.errors import ResolutionError, UsageError
from airlock.kinds import Upgrade
from tests.index_server import Index, serving
from tests.locking import PLANT, Workplace, pins
from tests.wheel_factory import make_wheel


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    return Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")


def test_markers_are_those_of_the_target_and_not_of_this_machine(place: Workplace, index: Index) -> None:
    index.add(make_wheel("arm-only", "1"), make_wheel("old-only", "1"), make_wheel("new-only", "1"))
    index.add(make_wheel("windows-only", "1"))
    place.targets = (PLANT, ("ship", "3.12", "musllinux_1_2_aarch64"))
    locked = place.lock(
        """requirements = ["arm-only; platform_machine == 'aarch64'", "old-only; python_version < '3.12'",
        "new-only; python_full_version >= '3.12'", "windows-only; sys_platform == 'win32'"]"""
    )
    assert pins(locked, "plant") == {"old-only": "1"}
    assert pins(locked, "ship") == {"arm-only": "1", "new-only": "1"}
    assert index.asked("windows-only") == []


def test_the_best_wheel_by_the_tags_of_the_target_is_taken(place: Workplace, index: Index) -> None:
    tags = [
        "cp311-cp311-win_amd64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_34_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp38-abi3-manylinux_2_28_x86_64",
        "py3-none-any",
    ]
    for tag in tags:
        index.add(make_wheel("fast", "1.0", tag=tag))
    place.targets = (
        PLANT,
        ("old", "3.11", "manylinux_2_17_x86_64"),
        ("ship", "3.13", "musllinux_1_2_aarch64"),
    )
    locked = place.lock('requirements = ["fast"]')
    assert [place.file for place in locked.artifacts_for("plant")] == [
        "fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    ]
    assert [place.file for place in locked.artifacts_for("old")] == [
        "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    ]
    assert [place.file for place in locked.artifacts_for("ship")] == ["fast-1.0-py3-none-any.whl"]


def test_a_higher_build_number_wins_between_equal_tags(place: Workplace, index: Index) -> None:
    for build in ("2-", "10-", ""):
        index.add(replace(make_wheel("built", "1.0"), file=f"built-1.0-{build}py3-none-any.whl"))
    (artifact,) = place.lock('requirements = ["built"]').artifacts_for("plant")
    assert artifact.file == "built-1.0-10-py3-none-any.whl"


def test_a_version_that_needs_another_python_is_passed_over(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1.0"), make_wheel("lib", "2.0", requires_python=">=3.12"))
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_a_file_that_needs_a_later_patch_release_than_the_targets_floor_is_passed_over(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"), make_wheel("lib", "2.0", requires_python=">=3.11.4"))
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}
    place.targets = (("plant", "3.11.4", "manylinux_2_28_x86_64"),)
    assert place.pins('requirements = ["lib"]') == {"lib": "2.0"}


def test_extras_asked_for_in_different_places_are_merged(place: Workplace, index: Index) -> None:
    index.add(
        make_wheel(
            "lib",
            "1.0",
            extras=["socks", "Brotli_Fast"],
            requires=["one; extra == 'socks'", "two; extra == 'brotli-fast'", "three; extra == 'other'"],
        ),
        make_wheel("app", "1.0", requires=["Lib[brotli.fast]"]),
        make_wheel("one", "1"),
        make_wheel("two", "1"),
    )
    assert place.pins('requirements = ["app", "lib[socks]"]') == {
        "app": "1.0",
        "lib": "1.0",
        "one": "1",
        "two": "1",
    }


def test_an_extra_that_only_a_discarded_version_asked_for_leaves_nothing_behind(
    place: Workplace, index: Index
) -> None:
    index.add(
        make_wheel("app", "2.0", requires=["lib[more]", "late<1"]),
        make_wheel("app", "1.0", requires=["lib"]),
        make_wheel("lib", "1.0", extras=["more"], requires=["extra-thing; extra == 'more'"]),
        make_wheel("extra-thing", "1"),
        make_wheel("late", "1.0"),
    )
    assert place.pins('requirements = ["app", "late"]') == {"app": "1.0", "lib": "1.0", "late": "1.0"}


def test_names_are_compared_in_their_normal_form(place: Workplace, index: Index) -> None:
    index.add(make_wheel("Zope.Interface", "1.0"))
    assert place.pins('requirements = ["zope_interface"]') == {"zope-interface": "1.0"}


def test_a_pre_release_is_taken_only_where_it_is_named_or_nothing_else_is_left(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"), make_wheel("lib", "2.0rc1"), make_wheel("young", "0.1b1"))
    assert place.pins('requirements = ["lib", "young"]') == {"lib": "1.0", "young": "0.1b1"}
    assert place.pins('requirements = ["lib>=2.0rc1"]') == {"lib": "2.0rc1"}


def test_a_withdrawn_version_is_taken_only_for_an_exact_pin_and_with_a_warning(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"))
    index.add(make_wheel("lib", "2.0"), yanked="broken on Mondays")
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}
    assert place.pins('requirements = ["lib==2.0"]') == {"lib": "2.0"}
    assert place.reporter.warnings == ["lib 2.0 was withdrawn by its authors (yanked): broken on Mondays"]
    with pytest.raises(ResolutionError, match=r"nearest, 2\.0, is yanked: broken on Mondays"):
        place.lock('requirements = ["lib>=2"]')


def test_exclude_newer_hides_what_was_uploaded_later_or_without_a_time(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"), upload_time="2026-07-31T23:59:59.123456Z")
    index.add(make_wheel("lib", "2.0"), upload_time="2026-08-01T02:00:01+02:00")
    index.add(make_wheel("lib", "3.0"), upload_time="2026-08-01T00:00:01Z")
    index.add(make_wheel("lib", "4.0"))
    assert place.pins('requirements = ["lib"]\nexclude-newer = 2026-08-01T00:00:00Z') == {"lib": "1.0"}
    with pytest.raises(ResolutionError, match=r"nearest, 4\.0, has no upload time"):
        place.lock('requirements = ["lib>3"]\nexclude-newer = 2026-08-01T00:00:00Z')


def test_a_constraint_narrows_and_asks_for_nothing(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"), make_wheel("lib", "2.0"))
    python = 'requirements = ["app"]\nconstraints = ["lib<2", "unused<1"]'
    assert place.pins(python) == {"app": "1.0", "lib": "1.0"}


def test_a_package_comes_from_the_one_index_that_the_manifest_says(place: Workplace, index: Index) -> None:
    index.add(make_wheel("acme-core", "9.9"), make_wheel("lib", "1.0", requires=["acme-core"]))
    with serving(Index()) as corp:
        corp.add(make_wheel("acme-core", "1.0"), make_wheel("lib", "66"))
        place.indexes = {"corp": corp.simple}
        locked = place.lock('requirements = ["lib"]\nsources = { acme_core = "corp", lib = "default" }')
        assert pins(locked) == {"acme-core": "1.0", "lib": "1.0"}
        assert {a.name: a.origin["index"] for a in locked.artifacts_for("plant")} == {
            "acme-core": "corp",
            "lib": "default",
        }
        assert index.asked("acme") == []
        assert [path for path, _, _ in corp.asked("/simple/")] == ["/simple/acme-core/"]


def test_pins_of_the_lock_before_are_kept_until_an_upgrade(place: Workplace, index: Index) -> None:
    index.add(make_wheel("one", "1.0"), make_wheel("two", "1.0"))
    before = place.lock('requirements = ["one", "two"]')
    index.add(make_wheel("one", "2.0"), make_wheel("two", "2.0"), make_wheel("three", "1.0"))
    index.etags = True
    place.cache = place.directory / "other"
    python = 'requirements = ["one", "two", "three"]'
    assert pins(place.lock(python, previous=before)) == {"one": "1.0", "two": "1.0", "three": "1.0"}
    some = place.lock(python, previous=before, upgrade=Upgrade(names=frozenset({"two"})))
    assert pins(some) == {"one": "1.0", "two": "2.0", "three": "1.0"}
    every = place.lock(python, previous=before, upgrade=Upgrade(everything=True))
    assert pins(every) == {"one": "2.0", "two": "2.0", "three": "1.0"}


def test_a_later_target_takes_the_versions_of_an_earlier_one_where_it_can(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"), make_wheel("lib", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64"))
    place.targets = (PLANT, ("lab", "3.12", "manylinux_2_28_x86_64"))
    locked = place.lock('requirements = ["lib"]')
    assert [(one.artifact.version, one.targets) for one in locked.artifacts] == [("1.0", ("lab", "plant"))]


def test_the_resolver_goes_back_to_an_older_version_that_fits(place: Workplace, index: Index) -> None:
    for version in range(1, 31):
        index.add(make_wheel("sdk", f"1.{version}", requires=[f"core=={version}"]))
        index.add(make_wheel("core", str(version), requires=["http<2" if version < 5 else "http>=2"]))
    index.add(make_wheel("http", "1.9"), make_wheel("http", "2.5"))
    assert place.pins('requirements = ["sdk", "http<2"]') == {"sdk": "1.4", "core": "4", "http": "1.9"}


def test_a_version_with_metadata_that_cannot_be_followed_is_passed_over(
    place: Workplace, index: Index
) -> None:
    index.add(
        make_wheel("lib", "4.0", requires=["other; platform_machine ~= 'x86'"]),
        make_wheel("lib", "3.0", requires=["other @ https://index.example/other.whl"]),
        make_wheel("lib", "2.0", requires=["not a requirement ==="]),
        make_wheel("lib", "1.0"),
    )
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_where_every_version_is_passed_over_the_reasons_are_told(place: Workplace, index: Index) -> None:
    index.json = False
    index.add(make_wheel("lib", "2.0", requires=["not a requirement ==="]))
    index.add(make_wheel("lib", "1.0", requires=["other @ https://index.example/other.whl"]))
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["lib"]')
    assert str(caught.value) == (
        "airlock.toml: no version of lib answers everything that is asked of it, for target plant\n"
        "  airlock.toml asks for lib\n"
        "  lib 2.0 was passed over: lib-2.0-py3-none-any.whl has a requirement that cannot be read: "
        "'not a requirement ==='\n"
        "  lib 1.0 was passed over: lib-1.0-py3-none-any.whl needs other from an address that the manifest "
        'does not name; it may: "other @ …" below [python] requirements'
    )


def test_a_conflict_is_told_as_a_chain_back_to_the_manifest(place: Workplace, index: Index) -> None:
    index.add(
        make_wheel("app", "1.0", requires=["middle>=1"]),
        make_wheel("middle", "1.5", requires=["http>=2"]),
        make_wheel("http", "1.9"),
        make_wheel("http", "2.5"),
    )
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["app", "http<2"]')
    assert str(caught.value) == (
        "airlock.toml: no version of http answers everything that is asked of it, for target plant\n"
        "  airlock.toml asks for app\n"
        "  airlock.toml asks for http<2\n"
        "  app 1.0 needs middle>=1\n"
        "  middle 1.5 needs http>=2"
    )
    assert caught.value.hint == (
        "each of these works, tried one at a time:\n"
        "  airlock.toml: 'http' instead of 'http<2', which gives http 2.5"
    )


def test_a_constraint_in_a_conflict_is_named(place: Workplace, index: Index) -> None:
    index.add(
        make_wheel("app", "1.0", requires=["http>=2"]), make_wheel("http", "1.9"), make_wheel("http", "2.5")
    )
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["app"]\nconstraints = ["http<2"]')
    assert "airlock.toml constrains http<2" in str(caught.value)
    assert caught.value.hint is not None
    assert "airlock.toml: no constraint 'http<2', which gives http 2.5" in caught.value.hint


def test_a_package_that_has_only_a_source_distribution_is_named(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["old-thing>=1"]))
    index.add_sdist("old-thing", "1.2")
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["app"]')
    assert str(caught.value) == (
        "airlock.toml: old-thing 1.2 has only a source distribution (old_thing-1.2.tar.gz), for target plant\n"
        "  airlock.toml asks for app\n"
        "  app 1.0 needs old-thing>=1"
    )
    assert caught.value.hint is not None
    assert '[python.build] packages = ["old-thing"]' in caught.value.hint
    assert not index.asked("/files/old_thing")


def test_a_package_without_a_file_for_the_target_names_what_there_is(place: Workplace, index: Index) -> None:
    for tag in ("cp311-cp311-win_amd64", "cp311-cp311-manylinux_2_34_x86_64"):
        index.add(make_wheel("fast", "1.0", tag=tag))
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["fast"]')
    assert str(caught.value) == (
        "airlock.toml: no file of fast can be used: the nearest, 1.0, has no wheel for manylinux_2_28_x86_64, "
        "only for cp311-cp311-manylinux_2_34_x86_64, cp311-cp311-win_amd64, for target plant\n"
        "  airlock.toml asks for fast"
    )
    assert caught.value.hint == (
        "each of these works, tried one at a time:\n"
        "  target plant with Python 3.11 on manylinux_2_34_x86_64, if it is that\n"
        "  target plant with Python 3.11 on manylinux_2_39_x86_64, if it is that"
    )


def test_a_package_that_the_index_does_not_have_is_named(place: Workplace) -> None:
    with pytest.raises(ResolutionError, match="nmupy is not on the index 'default'") as caught:
        place.lock('requirements = ["nmupy"]')
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ('requirements = ["a", "b ="]', r"airlock.toml: python.requirements\[1\]: not a requirement"),
        ('requirements = ["a @ https://index.example/a.exe"]', "the address of a wheel"),
        ('requirements = ["a @ /srv/a.whl"]', "a path is relative to the manifest"),
        ('requirements = ["a @ hg+https://index.example/a"]', "hg.https: is not supported"),
        ('requirements = ["a @ ./a.whl#sha256=00"]', "64 hexadecimal digits"),
        ('requirements = ["a @ git+https://index.example/a@--upload-pack=x"]', "not a branch, tag or commit"),
        ('requirements = ["a @ git+https://index.example/a#subdirectory=../x"]', "leads out of the archive"),
        ('excludes = ["a>1"]', r"python.excludes\[0\].requirement: .* a name|the name of a package alone"),
        ('overrides = [{ requirement = "a", why = "x" }]', r"python.overrides\[0\].why: unknown key"),
        ('prereleases = "always"', "python.prereleases: expected one of"),
        ('[python.packages."a b"]', "not the name of a package, nor a pattern"),
        ("[python.packages.a]\nexclude-newer = true", "expected a date, time and offset"),
        ('groups = ["dev"]', "there is no pyproject.toml beside the manifest"),
        ('constraints = ["a[x]<1"]', r"python.constraints\[0\].*no extras"),
        ("exclude-newer = 2026-08-01", "python.exclude-newer: expected a date, time and offset"),
        ('exclude-newer = "2026-08-01T00:00:00Z"', "python.exclude-newer: expected a date, time and offset"),
        ("requirements = [\"a; sys_platform ~= 'linux'\"]", "python: the marker of .* cannot be judged"),
        ('source = "/srv"', "python.source: expected a path relative to the manifest"),
        ('sources = { a = "corp" }', "python.sources.a: no such index: 'corp'"),
        ('requirement = ["a"]', "python.requirement: unknown key"),
    ],
)
def test_a_fault_in_the_section_is_told_with_its_place(place: Workplace, python: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        place.lock(python)


def test_an_upgrade_of_something_that_is_not_locked_is_refused(place: Workplace, index: Index) -> None:
    index.add(make_wheel("numpy", "1"))
    before = place.lock('requirements = ["numpy"]')
    with pytest.raises(UsageError, match="the lock has no 'numpi'") as caught:
        place.lock('requirements = ["numpy"]', previous=before, upgrade=Upgrade(names=frozenset({"numpi"})))
    assert caught.value.hint == "did you mean 'numpy'?"


def test_a_requirement_that_no_version_answers_is_told_from_a_conflict(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1.0", requires=["http>=99"]), make_wheel("http", "2.5"))
    with pytest.raises(ResolutionError) as caught:
        place.lock('requirements = ["app", "http"]')
    assert str(caught.value).startswith(
        "airlock.toml: the index 'default' has no version of http that is >=99, for target plant\n"
    )
    assert str(caught.value).endswith("  airlock.toml asks for app\n  app 1.0 needs http>=99")
    assert caught.value.hint == "the newest that it has is 2.5"
