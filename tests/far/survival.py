"""Interrupt an act after each of its steps, in every way a machine can, and demand a site that needs no help."""

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airlock.airgapped.collect import unneeded
from airlock.airgapped.site import TEMPORARY, Site, locked
from airlock.airgapped.switch import recover
from airlock.core.digest import digest_of
from airlock.errors import AirlockError
from airlock.storage.tree_scan import drift
from tests.far.bundles import later, site_at
from tests.far.faults import FaultyDisk
from tests.far.volatile import Chance, Choice, Everything, Exactly, Names, Nothing, VolatileDisk

_FEW = 3
"""Changes of which every subset is tried."""
Act = Callable[[Site], object]


def state(site: Site) -> str:
    """The version in use, its whole tree compared with its record, and its contents; empty where nothing is."""
    if (current := site.current_generation()) is None:
        return ""
    assert list(drift(site.root / "current", current.tree)) == []
    index = site.path(f"store/indexes/{current.index.removeprefix('sha256:')}.json").read_bytes()
    assert digest_of(index) == current.index
    for entry in site.index(current.index).entries:
        with site.open_frame(entry.expanded.digest) as frame:
            assert frame.read(4) == b"\x28\xb5\x2f\xfd", "a zstd frame"
    return current.version


def litter(site: Site) -> list[Path]:
    """Unfinished names, and whatever the records, the folders and the journal do not agree upon."""
    generations = {int(path.name) for path in (site.root / "generations").iterdir() if path.name.isdigit()}
    assert generations == set(site.numbers())
    assert generations <= {act.after for act in site.switches()}
    return [
        path for path in site.root.rglob("*") if path.name.endswith(TEMPORARY) or path.name == "switch.json"
    ]


def strays(site: Site) -> set[str]:
    """Contents that no generation needs."""
    return set(unneeded(site, set(site.numbers())))


def only_recover(site: Site) -> None:
    """The least that any command does that changes a site."""
    with locked(site, "test"):
        recover(site, later(90))


def settled(site: Site) -> str:
    """The journal is true: what is current is what was switched to last and kept. Returns the version."""
    assert litter(site) == []
    assert strays(site) == set()
    assert site.journal().torn == b""
    done = [act.after for act in site.switches() if act.outcome == "done"]
    assert site.current() == (done[-1] if done else 0)
    return state(site)


@dataclass
class Sweep:
    """`after` is the command that comes next, once in a while in place of one that only recovers; `outcomes` are the
    versions that may be found in use, and all of them must have been."""

    folder: Path
    setup: Act
    act: Act
    after: Act
    outcomes: set[str]
    chances: int = 1
    again: int = 31
    """Every so manieth recovery is interrupted as well."""
    part: tuple[int, int] = (1, 1)
    """Which part of how many: only every so manieth step is interrupted."""
    seen: set[str] = field(default_factory=set)
    cases: int = 0

    def power_cuts(self) -> int:
        """Before each step, with what waits for the medium arrived, lost, and by chance. The act runs once."""
        disk = VolatileDisk(self.folder / "site")
        site = site_at(self.folder / "site", disk)
        self.setup(site)
        disk.before = lambda: self._cut(disk)
        self.act(site)
        self._cut(disk)
        disk.before = lambda: None
        disk.close()
        assert self.seen == self.outcomes or self.part != (1, 1), self.seen
        return self.cases

    def _mine(self, step: int) -> bool:
        number, parts = self.part
        return step % parts == number % parts

    def _cut(self, disk: VolatileDisk) -> None:
        if not self._mine(disk.steps):
            return
        choices: list[Choice] = [Nothing(), Everything(), Names()]
        choices += [Chance(disk.steps * 1000 + number) for number in range(self.chances)]
        if not (waiting := disk.waiting()):
            choices = [Nothing()]
        elif waiting <= _FEW:
            choices = [Exactly(number) for number in range(2**waiting)]
        for number, choice in enumerate(choices):
            copy = self.folder / f"cut-{disk.steps}-{number}"
            disk.after_a_power_cut(choice, copy)
            self._survives(copy, f"{type(choice).__name__} before step {disk.steps}")
            shutil.rmtree(copy)

    def _survives(self, copy: Path, when: str) -> None:
        self.cases += 1
        found = state(site_at(copy))
        assert found in self.outcomes, f"{when}: {found!r}"
        self.seen.add(found)
        if site_at(copy).path("generations").is_dir() and self.cases % self.again == 0:
            self._recovery_survives(copy, when)
        if site_at(copy).path("state").is_dir():
            only_recover(site_at(copy))
            if site_at(copy).path("generations").is_dir():
                assert settled(site_at(copy)) in self.outcomes
        if self.cases % 5 == 0:
            self.after(site_at(copy))
            settled(site_at(copy))

    def _recovery_survives(self, copy: Path, when: str) -> None:
        """The power goes once more, before each step of the recovery."""
        disk = VolatileDisk(copy)
        again = self.folder / "again"

        def cut() -> None:
            for choice in (Nothing(), Everything(), Chance(self.cases + disk.steps)):
                self.cases += 1
                disk.after_a_power_cut(choice, again)
                only_recover(site_at(again))
                assert settled(site_at(again)) in self.outcomes, f"{when}, and again"
                shutil.rmtree(again)

        disk.before = cut
        only_recover(site_at(copy, disk))
        cut()
        disk.before = lambda: None
        disk.close()

    def faults(self, code: int) -> int:
        """Each change fails once (EIO), or the disk is full from then on (ENOSPC)."""
        for changes in range(100_000):
            if not self._mine(changes):
                continue
            place = self.folder / f"{errno.errorcode[code]}-{changes}"
            self.setup(site_at(place))
            disk = FaultyDisk(place.resolve(), changes, code)
            try:
                self.act(site_at(place, disk))
            except AirlockError as error:
                assert error.exit_code == 6, error
            if disk.left > 0:
                return self.cases
            disk.close()
            self._survives(place, f"{errno.errorcode[code]} at change {changes}")
            shutil.rmtree(place, ignore_errors=True)
        raise AssertionError("it never ended")
