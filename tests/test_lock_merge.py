"""`airlock lock merge-driver`, called by git as docs/lock.md sets it up."""

import shutil
import sys
import tomllib

import pytest

from tests.commands import Outcome, Shell
from tests.index_server import Index
from tests.lock_shell import index, lock_text, place, shell
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

__all__ = ["index", "place", "shell"]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

BASE = ["alpha", "gamma", "kappa", "omega", "sigma", "theta"]


@pytest.fixture
def repository(shell: Shell, place: Workplace, index: Index) -> Shell:
    for name in (*BASE, "beta", "tau"):
        index.add(make_wheel(name, "1.0"))
    shell = Shell(
        directory=shell.directory,
        environment={
            **shell.environment,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com",
        },
    )
    shell.good("git", "init", "-q", "-b", "main")
    driver = f"{sys.executable} -m airlock lock merge-driver %O %A %B %P"
    shell.good("git", "config", "merge.airlock.driver", driver)
    (place.directory / ".gitattributes").write_text("airlock.lock merge=airlock\n")
    ask(place, BASE)
    commit(shell, "base")
    return shell


def ask(place: Workplace, requirements: list[str]) -> None:
    lines = "".join(f'  "{one}",\n' for one in requirements)
    (place.directory / "airlock.toml").write_text(place.text(f"requirements = [\n{lines}]"))


def commit(shell: Shell, message: str) -> None:
    shell.airlock("lock", "-q")
    shell.good("git", "add", "-A")
    shell.good("git", "commit", "-q", "-m", message)


def two_branches(shell: Shell, place: Workplace, index: Index, ours: list[str], theirs: list[str]) -> None:
    shell.good("git", "switch", "-q", "-c", "side")
    ask(place, theirs)
    commit(shell, "theirs")
    shell.good("git", "switch", "-q", "main")
    ask(place, ours)
    commit(shell, "ours")
    for name in (*BASE, "beta", "tau"):
        index.add(make_wheel(name, "9.0"))


def pins(place: Workplace) -> dict[str, str]:
    return {row["name"]: row["version"] for row in tomllib.loads(lock_text(place))["artifacts"]}


def merge(shell: Shell, *command: str) -> Outcome:
    return shell.run("git", *command)


@pytest.mark.parametrize("command", [("merge", "-q", "--no-edit", "side"), ("rebase", "-q", "side")])
def test_two_branches_that_each_add_a_package_merge_without_a_conflict(
    repository: Shell, place: Workplace, index: Index, command: tuple[str, ...]
) -> None:
    two_branches(repository, place, index, [*BASE[:1], "beta", *BASE[1:]], [*BASE[:5], "tau", *BASE[5:]])
    outcome = merge(repository, *command)
    assert outcome.code == 0, outcome.stderr
    assert pins(place) == dict.fromkeys([*BASE, "beta", "tau"], "1.0")
    repository.airlock("lock", "--check")
    assert repository.good("git", "status", "--porcelain") == ""


def test_of_two_versions_that_of_the_side_that_changed_it_is_taken(
    repository: Shell, place: Workplace, index: Index
) -> None:
    index.add(make_wheel("omega", "2.0"))
    repository.good("git", "switch", "-q", "-c", "side")
    repository.airlock("lock", "-q", "-P", "omega")
    repository.good("git", "commit", "-q", "-a", "-m", "newer omega")
    repository.good("git", "switch", "-q", "main")
    ask(place, ["alpha", "beta", *BASE[1:]])
    commit(repository, "ours")
    index.add(make_wheel("omega", "3.0"))
    outcome = merge(repository, "merge", "-q", "--no-edit", "side")
    assert outcome.code == 0, outcome.stderr
    assert pins(place) == dict.fromkeys([*BASE, "beta"], "1.0") | {"omega": "2.0"}
    repository.airlock("lock", "--check")


def test_where_the_manifest_is_in_conflict_the_lock_waits_and_starts_from_both_sides(
    repository: Shell, place: Workplace, index: Index
) -> None:
    two_branches(repository, place, index, ["beta", *BASE], ["tau", *BASE])
    outcome = merge(repository, "merge", "--no-edit", "side")
    assert outcome.code != 0
    assert "CONFLICT (content): Merge conflict in airlock.lock" in outcome.stdout
    assert "once airlock.toml is merged, run `airlock lock`" in outcome.stderr
    assert "<<<<" not in lock_text(place)
    ask(place, ["beta", "tau", *BASE])
    repository.airlock("lock", "-q")
    assert pins(place) == dict.fromkeys([*BASE, "beta", "tau"], "1.0")


def test_words_that_are_no_merge_are_refused(repository: Shell) -> None:
    assert "hint: merge-driver BASE OURS THEIRS" in repository.airlock("lock", "upgrade", code=2).stderr
    assert "cannot be meant" in repository.airlock("lock", "merge-driver", "a", code=2).stderr
