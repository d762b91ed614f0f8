"""Generations: installed, switched, judged, shared, gone back to."""

import dataclasses
import errno
import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airlock.airgapped.host import Host, Interpreter
from airlock.airgapped.install import Choices, install, plan, planned_artifacts
from airlock.airgapped.preflight import trusted_root
from airlock.airgapped.rollback import rollback
from airlock.airgapped.site import LOCK, locked
from airlock.airgapped.status import history, status
from airlock.core.artifact import HealthCheck
from airlock.core.target import Target
from airlock.errors import AirlockError, IntegrityError, TargetError
from airlock.storage.disk import RealDisk
from tests.far.bundles import (
    CHOICES,
    NOW,
    PYTHON,
    TARGET,
    WORLD,
    Item,
    Trust,
    bundle,
    fake_host,
    fake_kinds,
    file_item,
    later,
    put,
    site_at,
)

TRUST = Trust.new()
BIG = os.urandom(700_000)


def version(
    number: int, *, health: HealthCheck | None = None, items: list[Item] | None = None, **rest: Any
) -> bytes:
    items = items or [file_item("share/version", f"{number}".encode()), file_item("share/big", BIG)]
    return bundle(items, version=f"{number}.0", health=health, **rest)


FIRST = TRUST.verified(version(1))


def check(code: str) -> HealthCheck:
    return HealthCheck(command=("python", "-c", code), timeout=20)


def test_current_is_the_new_generation(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    outcome = put(site, TRUST.verified(version(1)))
    assert (outcome.before, outcome.after, outcome.version) == (0, 1, "1.0")
    assert (tmp_path / "site/current/share/version").read_text() == "1"
    assert str((tmp_path / "site/current").readlink()) == "generations/1"


def test_files_that_did_not_change_are_shared_with_the_generation_before(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    put(site, TRUST.verified(version(2), counter=2))
    one, two = (tmp_path / f"site/generations/{number}/share" for number in (1, 2))
    assert (one / "big").samefile(two / "big")
    assert (one / "version").read_text() == "1"
    assert (two / "version").read_text() == "2"


@pytest.mark.parametrize("where", [0, 300_000, 699_999])
def test_a_file_that_was_changed_on_the_disk_is_not_shared(tmp_path: Path, where: int) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    old = tmp_path / "site/generations/1/share/big"
    old.write_bytes(BIG[:where] + bytes([BIG[where] ^ 1]) + BIG[where + 1 :])
    put(site, TRUST.verified(version(2), counter=2))
    new = tmp_path / "site/generations/2/share/big"
    assert not new.samefile(old)
    assert new.read_bytes() == BIG


@pytest.mark.parametrize("there", [b"", BIG[:-1], BIG + b"x"])
def test_a_file_that_was_cut_or_grew_on_the_disk_is_not_shared(tmp_path: Path, there: bytes) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    (tmp_path / "site/generations/1/share/big").write_bytes(there)
    put(site, TRUST.verified(version(2), counter=2))
    assert (tmp_path / "site/generations/2/share/big").read_bytes() == BIG


def test_the_frames_stay_at_the_site_for_the_next_delta(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    verified = TRUST.verified(version(1))
    put(site, verified)
    for content in verified.contents(None):
        assert content.frame is not None
        with site.open_frame(content.expanded.digest) as ours, content.frame.open() as theirs:
            assert ours.read() == theirs.read()


def test_the_same_bundle_again_changes_nothing(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    outcome = put(site, TRUST.verified(version(1), counter=5))
    assert (outcome.before, outcome.after) == (1, 1)
    assert site.numbers() == (1,)


def test_a_dry_run_tells_what_would_change_and_writes_nothing(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    changes = plan(TRUST.verified(version(1)), site, CHOICES, WORLD)
    assert "share/version" in [change.path for change in changes]
    assert not (tmp_path / "site").exists()
    put(site, TRUST.verified(version(1)))
    changes = plan(TRUST.verified(version(2), counter=2), site, CHOICES, WORLD)
    assert [change.path for change in changes] == ["share/version"]


def test_the_artifacts_that_would_change_are_told_by_name(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    assert [name for name, before, _ in planned_artifacts(FIRST, site) if not before] == [
        "file share/big",
        "file share/version",
    ]
    put(site, FIRST)
    ((name, before, after),) = planned_artifacts(TRUST.verified(version(2)), site)
    assert name == "file share/version" and before != after


def test_a_good_health_check_runs_in_the_new_generation(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    code = (
        "import os, sys; "
        "assert open('share/version').read() == '1'; "
        "assert sys.prefix == os.environ['VIRTUAL_ENV'] == os.getcwd(), sys.prefix; "
        "assert 'PYTHONPATH' not in os.environ"
    )
    world = dataclasses.replace(WORLD, environment={"PATH": "/usr/bin:/bin", "PYTHONPATH": "/nowhere"})
    put(site, TRUST.verified(version(1, health=check(code))), world)
    assert history(site)[0].outcome == "done"


@pytest.mark.parametrize(
    ("health", "detail"),
    [
        (check("print('no database'); raise SystemExit(3)"), "exit code 3 | no database"),
        (check("import os; os.kill(os.getpid(), 9)"), "ended by signal 9"),
        (HealthCheck(command=("no-such-program",), timeout=5), "no-such-program: No such file"),
        (HealthCheck(command=("sleep", "60"), timeout=0), "no end after 0 seconds"),
    ],
)
def test_a_failed_health_check_switches_back_by_itself(
    tmp_path: Path, health: HealthCheck, detail: str
) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    with pytest.raises(TargetError) as caught:
        put(site, TRUST.verified(version(2, health=health), counter=2))
    assert caught.value.exit_code == 6
    assert detail in str(caught.value)
    assert "generation 1 is in use again" in str(caught.value)
    assert (tmp_path / "site/current/share/version").read_text() == "1"
    assert [(act.after, act.outcome) for act in history(site)] == [(1, "done"), (2, "reverted")]
    assert site.accepted_release() == 1, "what was not kept was not accepted"


def test_a_first_install_that_fails_its_health_check_leaves_nothing_in_use(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(TargetError, match=r"health check failed"):
        put(site, TRUST.verified(version(1, health=check("raise SystemExit(1)"))))
    assert site.current() == 0
    with pytest.raises(TargetError, match="nothing is installed"):
        status(site)


def test_a_daemon_that_the_health_check_leaves_behind_does_not_hold_it_up(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    health = HealthCheck(command=("sh", "-c", "sleep 600 & exit 0"), timeout=5)
    put(site, TRUST.verified(version(1, health=health)))
    assert site.current() == 1


def test_rollback_is_a_new_generation_with_the_old_content(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    put(site, TRUST.verified(version(2), counter=2), later(1))
    outcome = rollback(site, None, later(2))
    assert (outcome.before, outcome.after, outcome.version) == (2, 3, "1.0")
    assert (tmp_path / "site/current/share/version").read_text() == "1"
    assert status(site).generation.content == 1
    put(site, TRUST.verified(version(3), counter=3), later(3))
    assert (tmp_path / "site/generations/4/share/big").samefile(tmp_path / "site/generations/1/share/big")
    acts = [(act.act, act.before, act.after) for act in history(site)]
    assert acts == [("install", 0, 1), ("install", 1, 2), ("rollback", 2, 3), ("install", 3, 4)]


def test_rollback_goes_to_the_generation_that_is_named(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    for number in (1, 2, 3):
        put(site, TRUST.verified(version(number), counter=number), later(number))
    assert rollback(site, 1, later(9)).version == "1.0"
    assert rollback(site, 2, later(10)).version == "2.0"
    assert rollback(site, None, later(11)).version == "1.0"
    with pytest.raises(TargetError, match="no earlier generation"):
        rollback(site, None, later(12))
    with pytest.raises(TargetError, match="no generation 77"):
        rollback(site, 77, later(13))


def test_rollback_skips_a_generation_that_failed_its_health_check(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    with pytest.raises(TargetError):
        put(site, TRUST.verified(version(2, health=check("raise SystemExit(1)")), counter=2), later(1))
    put(site, TRUST.verified(version(3), counter=3), later(2))
    assert rollback(site, None, later(3)).version == "1.0"


def test_rollback_to_files_that_were_changed_is_refused(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    put(site, TRUST.verified(version(2), counter=2), later(1))
    (tmp_path / "site/generations/1/share/version").write_text("x")
    with pytest.raises(IntegrityError, match="generation 1") as caught:
        rollback(site, None, later(2))
    assert "share/version" in str(caught.value)
    assert site.current() == 2


def test_an_older_signature_is_refused_but_on_purpose(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(2), counter=20))
    old = TRUST.verified(version(1), counter=10)
    with pytest.raises(IntegrityError, match="signed before") as caught:
        put(site, old)
    assert caught.value.exit_code == 5
    assert site.numbers() == (2 - 1,)
    allowed = dataclasses.replace(CHOICES, allow_downgrade=True)
    assert install(old, site, allowed, later(1)).version == "1.0"


def test_another_trust_root_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(TargetError, match="trusts nobody yet"):
        trusted_root(site, None, "")
    put(site, TRUST.verified(version(1)))
    other = Trust.new()
    assert trusted_root(site, None, "") == TRUST.root
    with pytest.raises(IntegrityError, match="pinned"):
        trusted_root(site, other.root, "other.json")
    with pytest.raises(IntegrityError, match="pinned"):
        put(site, other.verified(version(2), counter=2))
    assert site.current() == 1


def test_another_project_in_the_same_root_is_refused(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    with pytest.raises(TargetError, match="another project"):
        put(site, TRUST.verified(version(2, project="other"), counter=2))


def host(**changes: Any) -> Choices:
    def ask(root: Path, target: Target, python: str | None, environment: Mapping[str, str]) -> Host:
        return dataclasses.replace(fake_host(root, target, python, environment), **changes)

    return Choices(kinds=fake_kinds, host=ask)


OLD = Interpreter(path="/usr/bin/python", version="3.4.0", implementation="cpython")
OTHER = Interpreter(path="/usr/bin/pypy", version=f"{PYTHON}.99", implementation="pypy")


@pytest.mark.parametrize(
    ("choices", "target", "what"),
    [
        (host(platforms=("linux_riscv64", "manylinux_2_39_riscv64")), TARGET, "another platform"),
        (host(platforms=()), TARGET, "another platform"),
        (host(interpreters=(OLD, OTHER)), TARGET, "no Python that fits"),
        (host(interpreters=()), TARGET, "no Python that fits"),
        (host(), dataclasses.replace(TARGET, python=f"{PYTHON}.100"), "no Python that fits"),
        (host(), dataclasses.replace(TARGET, prefix="/opt/plant"), "another root"),
        (host(free=1000), TARGET, "not enough free space"),
    ],
)
def test_a_machine_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, choices: Choices, target: Target, what: str
) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(TargetError, match=what) as caught:
        install(TRUST.verified(version(1, target=target)), site, choices, WORLD)
    assert caught.value.exit_code == 6
    assert not (tmp_path / "site").exists()


def test_the_declared_prefix_is_the_root(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    target = dataclasses.replace(TARGET, prefix=str((tmp_path / "site").resolve()))
    assert put(site, TRUST.verified(version(1, target=target))).after == 1


def _hold(root: Path, held: Any, done: Any) -> None:
    with locked(site_at(root), "install"):
        held.set()
        done.wait(30)


def test_a_second_command_is_refused_and_told_who_works_there(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "site", held, done))
    process.start()
    try:
        assert held.wait(30)
        with pytest.raises(TargetError, match=f"airlock install, process {process.pid}"):
            put(site, TRUST.verified(version(2), counter=2))
        assert status(site).generation.number == 1, "reading needs no lock"
    finally:
        done.set()
        process.join(30)
    assert put(site, TRUST.verified(version(2), counter=2)).after == 2


def test_nothing_is_written_to_a_lock_that_has_another_name(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    site.path(LOCK).unlink()
    site.path(LOCK).hardlink_to(precious)
    assert put(site, TRUST.verified(version(2), counter=2)).after == 2
    assert precious.read_bytes() == b"precious"


def test_a_link_planted_in_the_site_is_not_followed(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(version(1)))
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "site/store/frames"
    folder.rename(tmp_path / "site/store/moved")
    folder.symlink_to(outside)
    with pytest.raises(AirlockError):
        put(site, TRUST.verified(version(2), counter=2))
    assert list(outside.iterdir()) == []
    assert site.current() == 1


def test_status_says_what_is_in_use_and_since_when(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    verified = TRUST.verified(version(1))
    put(site, verified)
    report = status(site)
    assert report.generation.index == verified.digest
    assert report.since is not None and report.since.time == NOW
    assert report.interrupted is None


def test_a_folder_with_other_things_in_it_is_no_place_for_a_site(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    (root / ".git").mkdir(parents=True)
    (root / "README").write_text("mine")
    for act in (lambda: put(site_at(root), FIRST), lambda: plan(FIRST, site_at(root), CHOICES, WORLD)):
        with pytest.raises(TargetError, match=r"not a site, and not empty: found \.git, README") as caught:
            act()
        assert caught.value.hint == "name an empty or new folder with --root"
    assert sorted(path.name for path in root.iterdir()) == [".git", "README"]
    (tmp_path / "mount/lost+found").mkdir(parents=True)
    assert put(site_at(tmp_path / "mount"), FIRST).after == 1


class Guarded(RealDisk):
    """Belongs to somebody else."""

    def make_directory(self, path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)


def test_a_root_of_somebody_else_is_named_in_full_with_a_way_on(tmp_path: Path) -> None:
    root = tmp_path / "site"
    with pytest.raises(TargetError) as caught:
        put(site_at(root, Guarded(root)), FIRST)
    assert str(caught.value) == f"{root}/state: Permission denied"
    assert "run airlock as the user that owns" in str(caught.value.hint)
