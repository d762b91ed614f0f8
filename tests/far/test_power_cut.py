"""Whatever interrupts a command leaves the old generation or the new, whole, and the next command needs no help."""

import errno
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.gc import collect
from airlock.airgapped.rollback import rollback
from airlock.airgapped.site import Site
from airlock.airgapped.status import history
from airlock.airgapped.update import update
from airlock.core.artifact import HealthCheck
from airlock.errors import TargetError
from airlock.formats.journal import Act
from airlock.storage.archive import Archive
from tests.far.bundles import (
    CHOICES,
    Trust,
    archive_of,
    bundle,
    file_item,
    later,
    members_in,
    put,
    signed,
    site_at,
)
from tests.far.power_cut import FailingDisk, PowerCut
from tests.far.survival import Sweep, only_recover, settled, state
from tests.far.test_update import giving
from tests.far.volatile import Nothing, VolatileDisk

TRUST = Trust.new()
SICK = HealthCheck(command=("false",), timeout=5)


def version(number: int, health: HealthCheck | None = None) -> bytes:
    items = [file_item("share/version", f"{number}".encode()), file_item("share/same", b"same" * 100)]
    return bundle(items, version=f"{number}.0", health=health)


BUNDLES = {number: TRUST.verified(version(number), counter=number) for number in (1, 2, 3)}
SICK_ONE = TRUST.verified(version(2, SICK), counter=2)
SIGNED_TWO = signed(version(2), TRUST.key, counter=2)


def nothing(site: Site) -> None: ...


def installed(*numbers: int) -> Callable[[Site], None]:
    def install(site: Site) -> None:
        for number in numbers:
            put(site, BUNDLES[number], later(number))

    return install


def install_second(site: Site) -> None:
    put(site, BUNDLES[2], later(5))


def install_third(site: Site) -> None:
    put(site, BUNDLES[3], later(100))


def update_to_second(site: Site) -> None:
    members = {n: data for n, data in members_in(SIGNED_TWO).items() if not n.startswith("frames/")}
    delta = Archive(io.BytesIO(archive_of({"delta.json": b"{}\n", **members})), "v2.airdelta")
    update(delta, TRUST.root, site, giving(SIGNED_TWO), CHOICES, later(5))


def install_sick(site: Site) -> None:
    with pytest.raises(TargetError):
        put(site, SICK_ONE, later(5))


def go_back(site: Site) -> None:
    rollback(site, None, later(5))


def let_go(site: Site) -> None:
    collect(site, 0, later(5), lambda root, numbers: frozenset())


ACTS = {
    "the first install": (nothing, install_second, {"", "2.0"}),
    "an install": (installed(1), install_second, {"1.0", "2.0"}),
    "an update": (installed(1), update_to_second, {"1.0", "2.0"}),
    "a sick one that is reverted": (installed(1), install_sick, {"1.0", "2.0"}),
    "a sick one that is the first": (nothing, install_sick, {"", "2.0"}),
    "a rollback": (installed(1, 2), go_back, {"1.0", "2.0"}),
    "a gc": (installed(1, 2), let_go, {"2.0"}),
}


@pytest.mark.parametrize("name", list(ACTS))
def test_a_power_cut_leaves_the_old_or_the_new(name: str, memory: Path) -> None:
    """Before every step, whatever of the changes that were not synced has arrived."""
    setup, act, outcomes = ACTS[name]
    sweep = Sweep(memory, setup, act, install_third, outcomes)
    assert sweep.power_cuts() > 25


@pytest.mark.parametrize("name", list(ACTS))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_old_or_the_new(name: str, code: int, memory: Path) -> None:
    setup, act, outcomes = ACTS[name]
    sweep = Sweep(memory, setup, act, install_third, outcomes)
    assert sweep.faults(code) > 10


def test_a_switch_that_was_not_judged_is_judged_by_the_next_command(tmp_path: Path) -> None:
    """The power goes between the switch and the verdict: the sick generation does not stay."""
    for changes in range(1000):
        place = tmp_path / str(changes)
        put(site_at(place), BUNDLES[1], later(1))
        disk = FailingDisk(place.resolve(), changes)
        try:
            install_sick(site_at(place, disk))
        except PowerCut:
            if state(site_at(place)) == "2.0":
                break
    site = site_at(place)
    with pytest.raises(TargetError, match="no earlier generation"):
        rollback(site, None, later(10))
    assert state(site) == "1.0"
    assert [act.outcome for act in history(site)] == ["done", "reverted"]
    assert site.journal().acts[-1].act == "recover"


def test_a_verdict_stands_though_the_announcement_came_back(tmp_path: Path) -> None:
    """The removal of `state/switch.json` is not synced: after a power cut it may be there again, and what was healthy then
    is not judged by what a disk full of other things makes of the check now."""
    site = site_at(tmp_path / "site")
    health = HealthCheck(command=("test", "-e", str(tmp_path / "licence")), timeout=5)
    (tmp_path / "licence").touch()
    put(site, TRUST.verified(version(1, health), counter=1))
    site.announce(replace(site.switches()[-1], outcome=""))
    (tmp_path / "licence").unlink()
    only_recover(site)
    assert (state(site), [act.outcome for act in site.switches()]) == ("1.0", ["done"])
    settled(site)


def test_a_line_is_on_the_medium_when_it_was_reported(tmp_path: Path) -> None:
    disk = VolatileDisk(tmp_path / "site")
    site = site_at(tmp_path / "site", disk)
    site.disk.make_directory("state")
    disk.sync()
    for number in (1, 2):
        site.append(Act(act="verify", time=number, outcome="done"))
        disk.after_a_power_cut(Nothing(), tmp_path / f"copy-{number}")
        assert len(site_at(tmp_path / f"copy-{number}").journal().lines) == number
    disk.close()
