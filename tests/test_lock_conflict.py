"""A conflict: the fewest lines that prove it, and only those ways out that work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airlock.core.target import Target
from airlock.errors import ResolutionError
from airlock.kinds.wheel.attempt import Answer, Unfinished, attempt
from airlock.kinds.wheel.provider import Question
from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.wheel_factory import make_wheel


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    return Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")


def conflict(place: Workplace, python: str) -> ResolutionError:
    (place.directory / "airlock.toml").write_text(place.text(python))
    with pytest.raises(ResolutionError) as caught:
        place.lock(python)
    return caught.value


def line(place: Workplace, text: str) -> str:
    lines = (place.directory / "airlock.toml").read_text().splitlines()
    return f"airlock.toml:{next(number for number, one in enumerate(lines, 1) if text in one)}"


def test_lines_that_have_no_part_in_it_are_not_shown_and_those_that_have_are_numbered(
    place: Workplace, index: Index
) -> None:
    for name in ("alpha", "beta", "gamma"):
        index.add(make_wheel(name, "1.0", requires=["http"]))
    index.add(make_wheel("app", "1.0", requires=["http>=2"]))
    index.add(make_wheel("http", "1.9"), make_wheel("http", "2.5"))
    error = conflict(
        place,
        'requirements = [\n  "alpha",\n  "app",  # ours\n  "beta",\n  "http<2",\n  "gamma",\n]\nconstraints = ["alpha<9"]',
    )
    app, http = line(place, '"app"'), line(place, '"http<2"')
    assert str(error).splitlines()[1:] == [
        f"  {app} asks for app",
        f"  {http} asks for http<2",
        "  app 1.0 needs http>=2",
    ]
    assert error.hint == (
        "each of these works, tried one at a time:\n"
        f"  {http}: 'http' instead of 'http<2', which gives http 2.5"
    )


def test_neighbouring_versions_that_need_the_same_are_one_fact(place: Workplace, index: Index) -> None:
    for minor in range(8):
        index.add(make_wheel("sdk", f"1.{minor}", requires=["http>=2" if minor > 3 else "http>=1.5"]))
    index.add(make_wheel("http", "1.0"), make_wheel("http", "1.7"), make_wheel("http", "2.0"))
    error = conflict(place, 'requirements = ["sdk", "http<1.2"]')
    assert str(error).splitlines()[3:] == [
        "  sdk 1.4 to 1.7 (4 versions) need http>=2",
        "  sdk 1.0 to 1.3 (4 versions) need http>=1.5",
    ]


def test_versions_that_each_need_another_are_told_from_the_first_to_the_last(
    place: Workplace, index: Index
) -> None:
    for minor in range(9):
        index.add(make_wheel("sdk", f"1.{minor}", requires=[f"core==1.{minor}"]))
        index.add(make_wheel("core", f"1.{minor}", requires=["http>=2"]))
    index.add(make_wheel("http", "1.0"), make_wheel("http", "2.0"))
    error = conflict(place, 'requirements = ["sdk", "http<2"]')
    assert "  sdk 1.0 to 1.8 (9 versions) need core==1.0 … core==1.8" in str(error).splitlines()
    assert "  core 1.0 to 1.8 (9 versions) need http>=2" in str(error).splitlines()


def test_a_way_out_that_does_not_work_is_not_shown(place: Workplace, index: Index) -> None:
    """Loosening `http` alone would meet `other`, which cannot be had with a newer one either."""
    index.add(make_wheel("app", "1.0", requires=["http>=2"]), make_wheel("app", "0.9", requires=["http"]))
    index.add(make_wheel("other", "1.0", requires=["http<2"]))
    index.add(make_wheel("http", "1.9"), make_wheel("http", "2.5"))
    error = conflict(place, 'requirements = ["app>=1", "http<2", "other"]')
    assert error.hint is not None
    assert "'http' instead" not in error.hint
    assert "'app' instead of 'app>=1', which gives app 0.9" in error.hint


def test_an_exact_pin_is_loosened_upwards_first(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["http>=2"]))
    index.add(make_wheel("http", "1.9"), make_wheel("http", "2.5"))
    error = conflict(place, 'requirements = ["app", "http==1.9"]')
    assert error.hint is not None
    assert "'http>=1.9' instead of 'http==1.9', which gives http 2.5" in error.hint


def test_where_the_cutoff_is_in_the_way_a_later_one_is_said_to_work(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0"), upload_time="2026-06-01T00:00:00Z")
    error = conflict(place, 'requirements = ["app"]\nexclude-newer = 2026-01-01T00:00:00Z')
    assert error.hint is not None
    assert "a later cutoff" in error.hint


def test_two_conflicts_at_once_have_no_single_way_out(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["http>=2", "tls>=2"]))
    for name in ("http", "tls"):
        index.add(make_wheel(name, "1.0"), make_wheel(name, "2.0"))
    error = conflict(place, 'requirements = ["app", "http<2", "tls<2"]')
    assert len(str(error).splitlines()) == 4
    assert error.hint == "no single line, changed, gives an answer: change more than one of these"


def test_a_withdrawn_version_says_how_it_is_taken_nevertheless(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1.0"), yanked=True)
    error = conflict(place, 'requirements = ["lib"]')
    assert "no file of lib can be used: the nearest, 1.0, is yanked, for target plant" in str(error)
    assert error.hint == "a withdrawn version is taken where it is pinned: lib==1.0"


def test_a_wheel_for_other_machines_beside_a_source_distribution_says_that_it_can_be_built(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0", tag="cp311-cp311-win_amd64"))
    index.add_sdist("lib", "1.0")
    error = conflict(place, 'requirements = ["lib"]')
    assert error.hint is not None
    assert '[python.build] packages = ["lib"]' in error.hint


def test_one_line_that_nothing_answers_is_not_told_to_be_changed_with_others(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib @ https://example.com/lib-1.0-py3-none-any.whl"]))
    error = conflict(place, 'requirements = ["app"]')
    assert '"lib @ …" below [python] requirements' in str(error)
    assert error.hint is not None
    assert "ask for something else in its place" in error.hint


def test_a_trial_ends_when_its_time_is_over() -> None:
    target = Target(name="t", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
    question = Question(roots=(), constraints={}, preferred={}, target=target)
    nothing: Any = None
    assert isinstance(attempt(question, nothing, 10, lambda: True), Unfinished)
    assert isinstance(attempt(question, nothing, 10, lambda: False), Answer)
