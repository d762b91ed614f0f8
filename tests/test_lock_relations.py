"""`why`, `tree`, `outdated`, `lock --check`, `--dry-run`, `-P NAME --only` and cooldowns, as they are typed."""

import json
from pathlib import Path

from tests.commands import Shell
from tests.index_server import Index, serving
from tests.lock_shell import index, lock_text, place, shell, write
from tests.locking import Workplace
from tests.sdist_factory import backend_wheel, make_sdist
from tests.wheel_factory import make_wheel

__all__ = ["index", "place", "shell"]

TWO = (("plant", "3.11", "manylinux_2_28_x86_64"), ("ship", "3.12", "manylinux_2_28_aarch64"))


def a_small_world(index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["web>=1", "old; python_version < '3.12'"]))
    index.add(make_wheel("web", "1.4", requires=["http>=1", "fast; extra == 'speed'"], extras=["speed"]))
    index.add(make_wheel("old", "2.0", requires=["http<2"]), make_wheel("fast", "1.0"))
    index.add(make_wheel("http", "1.9"))


def test_why_tells_every_chain_and_where_targets_differ(shell: Shell, place: Workplace, index: Index) -> None:
    a_small_world(index)
    place.targets = TWO
    write(place, 'requirements = ["app", "web[speed]"]')
    shell.airlock("lock", "-q")
    assert shell.airlock("why", "HTTP").stdout == (
        "plant:\n"
        "web[speed] (1.4) → http>=1 (1.9)\n"
        "app (1.0) → old (2.0) → http<2 (1.9)\n"
        "app (1.0) → web>=1 (1.4) → http>=1 (1.9)\n"
        "ship:\n"
        "web[speed] (1.4) → http>=1 (1.9)\n"
        "app (1.0) → web>=1 (1.4) → http>=1 (1.9)\n"
    )
    assert shell.airlock("why", "old").stdout == "plant:\napp (1.0) → old (2.0)\nship:\nold is not needed\n"
    (told,) = json.loads(shell.airlock("why", "fast", "--target", "ship", "--json").stdout)["targets"]
    assert (told["target"], told["version"], len(told["chains"])) == ("ship", "1.0", 2)
    assert told["chains"][0] == [
        {"name": "web", "version": "1.4", "requirement": "web[speed]"},
        {"name": "fast", "version": "1.0", "requirement": "fast"},
    ]
    unknown = shell.airlock("why", "hhtp", code=2)
    assert "hint: did you mean 'http'?" in unknown.stderr


def test_why_tells_what_a_tool_builds(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(backend_wheel())
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    write(place, 'requirements = ["thing"]\n[python.build]\npackages = ["thing"]')
    shell.airlock("lock", "-q")
    assert (
        shell.airlock("why", "Mini_Backend").stdout == "mini-backend 1.0 builds thing 1.0 with Python 3.11\n"
    )
    told = json.loads(shell.airlock("why", "mini-backend", "--json").stdout)
    assert told["builds"] == [{"version": "1.0", "package": "thing 1.0", "python": "3.11"}]
    assert "did you mean 'mini-backend'?" in shell.airlock("why", "mini-backed", code=2).stderr


def test_the_tree_is_drawn_from_the_manifest_or_upside_down(
    shell: Shell, place: Workplace, index: Index
) -> None:
    a_small_world(index)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    index.log.clear()
    assert shell.airlock("tree").stdout == (
        "app 1.0\n"
        "├── old 2.0\n"
        "│   └── http 1.9, as http<2\n"
        "└── web 1.4, as web>=1\n"
        "    └── http 1.9, as http>=1\n"
    )
    assert shell.airlock("tree", "--invert", "http").stdout == (
        "http 1.9\n├── old 2.0, as http<2\n│   └── app 1.0, as old\n└── web 1.4, as http>=1\n"
        "    └── app 1.0, as web>=1\n"
    )
    rows = json.loads(shell.airlock("tree", "--json").stdout)["targets"][0]["packages"]
    assert rows[-1] == {
        "name": "web",
        "version": "1.4",
        "needs": [{"name": "http", "requirement": "http>=1"}],
    }
    assert index.log == [], "all of it is in the cache"


def test_a_bundle_says_who_needs_what_without_a_network(
    shell: Shell, place: Workplace, index: Index, tmp_path: Path
) -> None:
    a_small_world(index)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    shell.airlock("build", "-q")
    bundle = next((place.directory / "dist").glob("*.airlock"))
    far = Shell(directory=tmp_path, environment={"AIRLOCK_CACHE": str(tmp_path / "empty")}).far()
    assert far.airlock("why", "http", str(bundle)).stdout == (
        "app (1.0) → old (2.0) → http<2 (1.9)\napp (1.0) → web>=1 (1.4) → http>=1 (1.9)\n"
    )
    assert far.airlock("tree", str(bundle)).stdout == shell.airlock("tree").stdout
    far.airlock("split", str(bundle), "--size", "80k", "-o", "discs")
    assert far.airlock("tree", "discs").stdout == shell.airlock("tree").stdout
    assert not (tmp_path / "empty" / "metadata").exists()


def test_metadata_that_is_nowhere_at_hand_is_fetched(
    shell: Shell, place: Workplace, index: Index, tmp_path: Path
) -> None:
    a_small_world(index)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    elsewhere = Shell(directory=place.directory, environment={"AIRLOCK_CACHE": str(tmp_path / "other")})
    assert elsewhere.airlock("why", "old").stdout == "app (1.0) → old (2.0)\n"
    index.log.clear()
    elsewhere.airlock("lock", "--check")
    assert index.log == []


def test_outdated_tells_what_the_target_could_take_and_what_the_cutoff_hides(
    shell: Shell, place: Workplace, index: Index
) -> None:
    early, late = "2026-01-01T00:00:00Z", "2026-09-01T00:00:00Z"
    index.add(make_wheel("app", "1.0", requires=["lib<2"]), make_wheel("still", "1.0"), upload_time=early)
    index.add(make_wheel("lib", "1.0"), upload_time=early, yanked="leaks")
    index.add(make_wheel("lib", "3.0", tag="cp311-cp311-win_amd64"), upload_time=early)
    write(place, 'requirements = ["app", "lib==1.0", "still"]\nexclude-newer = 2026-06-01T00:00:00Z')
    shell.airlock("lock", "-q")
    index.add(make_wheel("lib", "1.1"), make_wheel("lib", "2.0b1"), upload_time=early)
    index.add(make_wheel("lib", "2.0"), upload_time=late)
    told = json.loads(shell.airlock("outdated", "--json").stdout)
    assert told["packages"] == [
        {
            "name": "lib",
            "locked": "1.0",
            "targets": ["plant"],
            "allowed": "1.1",
            "newest": "2.0",
            "yanked": "leaks",
        }
    ]
    assert shell.airlock("outdated").stdout == (
        "lib 1.0 → 1.1 (2.0 is later than the cutoff) (yanked: leaks) [plant]\n"
    )


def test_a_lock_that_somebody_edited_is_judged_by_what_its_wheels_say(
    shell: Shell, place: Workplace, index: Index
) -> None:
    a_small_world(index)
    index.add(make_wheel("http", "0.5"), make_wheel("stray", "1.0"))
    write(place, 'requirements = ["app", "stray"]')
    shell.airlock("lock", "-q")
    lockfile = place.directory / "airlock.lock"
    good = lockfile.read_text()
    shell.airlock("lock", "--check")
    rows = good.splitlines(keepends=True)
    http, old = (next(row for row in rows if f'name = "{name}"' in row) for name in ("http", "old"))
    lockfile.write_text(good.replace(old, ""))
    told = json.loads(shell.airlock("lock", "--check", "--json", code=3).stdout)
    assert told["problems"] == ["old is not locked, but app 1.0 needs old, for target plant"]
    write(place, 'requirements = ["app", "stray"]\nconstraints = ["http==0.5"]')
    shell.airlock("lock", code=3)
    write(place, 'requirements = ["app", "stray"]')
    foreign = http.replace("py3-none-any", "cp311-cp311-win_amd64")
    lockfile.write_text(good.replace(http, foreign))
    stale = shell.airlock("lock", "--check", code=3)
    assert (
        "http-1.9-cp311-cp311-win_amd64.whl does not fit Python 3.11 on manylinux_2_28_x86_64" in stale.stderr
    )
    again = shell.airlock("lock")
    assert "contradicts itself" in again.stderr
    assert lockfile.read_text() == good


def test_a_lock_that_takes_a_package_from_another_index_than_the_manifest_is_told(
    shell: Shell, place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1.0"))
    with serving(Index()) as corp:
        corp.add(make_wheel("lib", "1.0"))
        place.indexes = {"corp": corp.simple}
        write(place, 'requirements = ["lib"]\n[python.sources]\nlib = "corp"')
        shell.airlock("lock", "-q")
        text = lock_text(place)
        (place.directory / "airlock.lock").write_text(text.replace('index = "corp"', 'index = "default"'))
        told = json.loads(shell.airlock("lock", "--check", "--json", code=3).stdout)
    assert told["problems"] == [
        "lib 1.0 is of the index 'default', and the manifest has it from 'corp', for target plant"
    ]


def test_a_pin_below_what_another_needs_and_one_that_nothing_needs_are_told(
    shell: Shell, place: Workplace, index: Index
) -> None:
    a_small_world(index)
    index.add(make_wheel("http", "0.5"))
    write(place, 'requirements = ["app", "fast", "http<1"]')
    shell.airlock("lock", "-q", code=3)
    write(place, 'requirements = ["http<1", "fast"]')
    shell.airlock("lock", "-q")
    low = next(row for row in lock_text(place).splitlines(keepends=True) if 'name = "http"' in row)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    text = lock_text(place)
    http = next(row for row in text.splitlines(keepends=True) if 'name = "http"' in row)
    (place.directory / "airlock.lock").write_text(text.replace(http, low + http.replace("http", "fast", 1)))
    told = json.loads(shell.airlock("lock", "--check", "--json", code=3).stdout)
    assert "http 0.5 is locked, but web 1.4 needs http>=1, for target plant" in told["problems"]
    assert "fast 1.9 is locked, and nothing needs it, for target plant" in told["problems"]


def test_a_dry_run_shows_each_change_with_its_size(shell: Shell, place: Workplace, index: Index) -> None:
    a_small_world(index)
    write(place, 'requirements = ["app", "fast"]')
    shell.airlock("lock", "-q", "--level", "9")
    before = lock_text(place)
    index.add(make_wheel("http", "1.10"), make_wheel("new", "1.0"), make_wheel("old", "1.0"))
    write(place, 'requirements = ["app", "new", "old<2"]')
    outcome = shell.airlock("lock", "--dry-run", "-P", "http", "--level", "12")
    lines = outcome.stdout.splitlines()
    assert [line.split(" (")[0] for line in lines[:-1]] == [
        "- fast 1.0",
        "↑ http 1.9 → 1.10",
        "+ new 1.0",
        "↓ old 2.0 → 1.0",
        "~ level: 9 → 12",
    ]
    assert lines[1].endswith(" B)")
    assert lines[-1].startswith("4 changed, ")
    assert lock_text(place) == before


def test_only_refuses_to_move_anything_else_and_says_what(
    shell: Shell, place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"), make_wheel("tool", "1.0"))
    write(place, 'requirements = ["app", "tool"]')
    shell.airlock("lock", "-q")
    before = lock_text(place)
    index.add(make_wheel("app", "2.0", requires=["lib>=2"]), make_wheel("lib", "2.0"))
    index.add(make_wheel("tool", "2.0"))
    refused = shell.airlock("lock", "-P", "app", "--only", code=3)
    assert refused.stderr == (
        "error: airlock.toml: app cannot move alone; these would move with it:\n"
        "  ↑ lib 1.0 → 2.0\n"
        "hint: allow it: -P lib, or leave out --only\n"
    )
    assert lock_text(place) == before
    shell.airlock("lock", "-q", "-P", "tool", "--only")
    shell.airlock("lock", "-q", "-P", "app", "-P", "lib", "--only")
    assert '"2.0"' in lock_text(place)
    assert "hint: name it" in shell.airlock("lock", "--only", code=2).stderr


def at(shell: Shell, day: int) -> Shell:
    """The same shell, so many days after the start of 2026."""
    seconds = 1_767_225_600 + day * 86_400
    return Shell(
        directory=shell.directory, environment={**shell.environment, "SOURCE_DATE_EPOCH": str(seconds)}
    )


def test_a_cooldown_becomes_an_instant_once_and_moves_only_with_an_upgrade(
    shell: Shell, place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1.0"), upload_time="2026-01-01T00:00:00Z")
    index.add(make_wheel("app", "2.0"), make_wheel("lib", "1.0"), upload_time="2026-01-20T00:00:00Z")
    write(place, 'requirements = ["app"]\ncooldown = "7 days"')
    at(shell, 21).airlock("lock", "-q")
    locked = lock_text(place)
    assert '[cutoff]\ninstant = "2026-01-15T00:00:00Z"\ncooldown = "7 days"\n' in locked
    assert 'version = "1.0", file = "app' in locked
    at(shell, 300).airlock("lock", "--check")
    at(shell, 300).airlock("lock", "-q")
    assert lock_text(place) == locked
    write(place, 'requirements = ["app", "lib"]\ncooldown = "7 days"')
    assert "uploaded later" in at(shell, 300).airlock("lock", code=3).stderr
    at(shell, 300).airlock("lock", "-q", "--upgrade")
    assert 'instant = "2026-10-21T00:00:00Z"' in lock_text(place)
    write(place, 'requirements = ["app", "lib"]\ncooldown = "2 weeks"')
    at(shell, 310).airlock("lock", "-q")
    assert 'instant = "2026-10-24T00:00:00Z"\ncooldown = "2 weeks"' in lock_text(place)


def test_an_instant_of_the_manifest_is_in_the_lock(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0"), upload_time="2026-01-01T00:00:00Z")
    write(place, 'requirements = ["app"]\nexclude-newer = 2026-03-01T01:00:00+01:00')
    shell.airlock("lock", "-q")
    assert '[cutoff]\ninstant = "2026-03-01T00:00:00Z"\n' in lock_text(place)
    write(place, 'requirements = ["app"]\ncooldown = "a while"')
    assert "expected hours, days or weeks" in shell.airlock("lock", code=2).stderr
    write(place, 'requirements = ["app"]\ncooldown = "7 days"\nexclude-newer = 2026-03-01T01:00:00Z')
    assert "stands beside exclude-newer" in shell.airlock("lock", code=2).stderr
