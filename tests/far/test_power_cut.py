"""A power cut after any change leaves the old generation or the new, whole, and the next command needs no help."""

from collections.abc import Callable
from pathlib import Path

import pytest

from airlock.airgapped.rollback import rollback
from airlock.airgapped.site import TEMPORARY, Site
from airlock.airgapped.status import history
from airlock.core.artifact import HealthCheck
from airlock.errors import TargetError
from airlock.storage.tree_scan import drift
from tests.far.bundles import Trust, bundle, file_item, later, put, site_at
from tests.far.power_cut import FailingDisk, PowerCut

TRUST = Trust.new()
SICK = HealthCheck(command=("false",), timeout=5)


def version(number: int, health: HealthCheck | None = None) -> bytes:
    items = [file_item("share/version", f"{number}".encode()), file_item("share/same", b"same" * 100)]
    return bundle(items, version=f"{number}.0", health=health)


BUNDLES = {number: TRUST.verified(version(number), counter=number) for number in (1, 2, 3)}
SICK_ONE = TRUST.verified(version(2, SICK), counter=2)


def install_second(site: Site) -> None:
    put(site, BUNDLES[2], later(5))


def install_sick(site: Site) -> None:
    with pytest.raises(TargetError, match="health check"):
        put(site, SICK_ONE, later(5))


def go_back(site: Site) -> None:
    rollback(site, None, later(5))


def state(site: Site) -> str:
    """The version in use, its whole tree compared with its record; empty where nothing is."""
    if (current := site.current_generation()) is None:
        return ""
    assert list(drift(site.root / "current", current.tree)) == []
    return current.version


def litter(site: Site) -> list[Path]:
    known = {act.after for act in history(site)}
    generations = {int(path.name) for path in (site.root / "generations").iterdir()}
    assert generations == known == set(site.numbers())
    return [
        path for path in site.root.rglob("*") if path.name.endswith(TEMPORARY) or path.name == "switch.json"
    ]


def sweep(root: Path, before: tuple[int, ...], act: Callable[[Site], None], outcomes: set[str]) -> None:
    """Cut the power after each number of changes that `act` makes."""
    seen: set[str] = set()
    for changes in range(1000):
        place = root / str(changes)
        for number in before:
            put(site_at(place), BUNDLES[number], later(number))
        disk = FailingDisk(place.resolve(), changes)
        try:
            act(site_at(place, disk))
        except PowerCut:
            seen.add(state(site_at(place)))
            recovered_by_the_next_command(site_at(place))
        else:
            assert disk.left >= 0 and seen == outcomes, f"after {changes} changes: {seen}"
            return
        finally:
            disk.close()
    raise AssertionError("it never ended")


def recovered_by_the_next_command(site: Site) -> None:
    put(site, BUNDLES[3], later(100))
    assert state(site) == "3.0"
    assert litter(site) == []
    assert history(site)[-1].outcome == "done"


def test_a_power_cut_while_the_first_is_installed_leaves_nothing_or_the_new(tmp_path: Path) -> None:
    sweep(tmp_path, (), lambda site: install_second(site), {"", "2.0"})


def test_a_power_cut_while_a_new_one_is_installed_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    sweep(tmp_path, (1,), install_second, {"1.0", "2.0"})


def test_a_power_cut_while_a_sick_one_is_reverted_leaves_either_whole(tmp_path: Path) -> None:
    sweep(tmp_path, (1,), install_sick, {"1.0", "2.0"})


def test_a_power_cut_while_going_back_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    sweep(tmp_path, (1, 2), go_back, {"1.0", "2.0"})


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
