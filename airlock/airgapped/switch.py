"""The one atomic switch of generations, the verdict of the health check on it, and what a power cut left behind.

An act is announced (`state/switch.json`), done (`current` is renamed), judged, written to the journal, and its
announcement removed. Whatever is interrupted, the next command finishes: a switch that happened is judged then, a verdict
that was reached is carried out, anything that was only prepared is thrown away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.airgapped.health import Verdict, check_health
from airlock.airgapped.site import CURRENT, INTENT, TEMPORARY, Site, directory_of, record_of
from airlock.core.reporter import Reporter
from airlock.errors import TargetError
from airlock.formats.generation import Generation
from airlock.formats.journal import Act

_SWEPT = ("", "generations", "state", "state/generations", "state/trust", "store/frames", "store/indexes")
"""Where unfinished names may be."""
_SHOWN = 400
"""Characters of a failed check's output that the error shows; the journal has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every act at a site needs to know of the world."""

    now: int
    """Seconds since the epoch."""
    environment: Mapping[str, str]
    """For the health check, and to find interpreters."""
    reporter: Reporter


def switch(site: Site, act: str, to: Generation, world: Surroundings) -> Act:
    """Make a staged generation the current one, and keep it if it is healthy. Raises TargetError where it is not; the
    one before is then current again."""
    announced = Act(
        act=act,
        time=world.now,
        before=site.current(),
        after=to.number,
        version=to.version,
        index=to.index,
        release=to.release,
        outcome="",
        detail="",
    )
    site.announce(announced)
    site.point_to(to.number)
    judged = _judge(site, announced, world)
    if judged.outcome == "reverted":
        raise _unhealthy(judged)
    return judged


def _judge(site: Site, act: Act, world: Surroundings) -> Act:
    verdict = _health(site, act, world)
    if verdict.healthy:
        judged = replace(act, outcome="done")
        site.conclude(judged)
        return judged
    judged = replace(act, outcome="reverted", detail=verdict.detail)
    site.announce(judged)
    _revert(site, judged)
    return judged


def _health(site: Site, act: Act, world: Surroundings) -> Verdict:
    check = site.index(act.index).health
    if check is None:
        return Verdict(healthy=True, detail="")
    world.reporter.note(f"health check: {' '.join(check.command)}")
    return check_health(check, site.path(directory_of(act.after)), world.environment)


def _revert(site: Site, act: Act) -> None:
    if act.before:
        site.point_to(act.before)
    else:
        site.disk.remove(CURRENT)
    site.conclude(act)


def _unhealthy(act: Act) -> TargetError:
    now = f"generation {act.before} is in use again" if act.before else "nothing is installed"
    return TargetError(
        f"generation {act.after}",
        f"the health check failed, and {now}",
        expected="exit code 0",
        found=" | ".join(act.detail.splitlines())[-_SHOWN:],
        hint="`airlock history --json` has the end of its output",
    )


def recover(site: Site, world: Surroundings) -> None:
    """Finish or undo what an interrupted command left. The caller holds the lock."""
    if (act := site.intent()) is not None:
        _resume(site, act, world)
    sweep(site)


def sweep(site: Site) -> None:
    """Remove what was prepared and never switched to."""
    for name in list(_leftovers(site)):
        site.disk.remove(name)


def _resume(site: Site, act: Act, world: Surroundings) -> None:
    if act.outcome == "reverted":
        _revert(site, act)
    elif site.current() != act.after:
        site.disk.remove(INTENT)
        return
    else:
        act = _judge(site, act, world)
    world.reporter.warn(f"the {act.act} of generation {act.after} was interrupted; it is now {act.outcome}")


def _leftovers(site: Site) -> Iterator[str]:
    for folder in _SWEPT:
        for path in sorted(_listing(site.path(folder))):
            if path.name.endswith(TEMPORARY):
                yield str(path.relative_to(site.root))
    known = {act.after for act in site.journal()} | {site.current()}
    numbers = set(site.numbers()) | _directories(site)
    for number in sorted(numbers - known):
        yield directory_of(number)
        yield record_of(number)


def _listing(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _directories(site: Site) -> set[int]:
    names = (path.name for path in _listing(site.path("generations")))
    return {int(name) for name in names if name.isascii() and name.isdigit()}
