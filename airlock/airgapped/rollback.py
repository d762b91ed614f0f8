"""`airlock rollback`: the content of an earlier generation, as a new one. Needs no media."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from airlock.airgapped.health import check_programs
from airlock.airgapped.install import Outcome, site_errors
from airlock.airgapped.record import vouched_for
from airlock.airgapped.site import Site, directory_of, locked
from airlock.airgapped.status import NOTHING_YET, demanded
from airlock.airgapped.switch import Surroundings, recover, switch
from airlock.errors import IntegrityError, TargetError
from airlock.formats.generation import Generation
from airlock.formats.trust_chain import pinned
from airlock.storage.tree_scan import drift

_NAMED = 5
"""Files that a message names."""


def rollback(site: Site, to: int | None, world: Surroundings) -> Outcome:
    """Go back to generation `to`, or to the last accepted one with other, older content. Its files are hashed first.
    Raises TargetError or IntegrityError; what was in use is then still, or again, in use."""
    if not site.current():
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    with site_errors(site), locked(site, "rollback"):
        recover(site, world)
        if (current := site.current_generation()) is None:
            raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
        earlier = _chosen(site, current, to)
        if earlier.content == current.content:
            return Outcome(
                before=current.number, after=current.number, version=current.version, index=current.index
            )
        _check(site, earlier)
        check_programs(site.index(earlier.index).activation, earlier.tree, world.environment)
        for warning in _no_longer_vouched(site, earlier):
            world.reporter.warn(warning)
        generation = replace(earlier, number=site.next_number())
        site.record(generation)
        site.disk.symlink(str(generation.content), directory_of(generation.number))
        site.disk.sync("generations")
        done = switch(site, "rollback", generation, world, vouched_for(site.switches(), generation.index))
        return Outcome(
            before=done.before, after=done.after, version=generation.version, index=generation.index
        )


def _chosen(site: Site, current: Generation, to: int | None) -> Generation:
    number = _earlier(site, current) if to is None else to
    if number not in site.numbers():
        switch = site.verdict_on(number)
        what = f"no generation {number}" if switch is None else f"generation {number} is no longer here"
        found = f"version {switch.version}, {switch.outcome} on {day(switch.time)}" if switch else None
        raise TargetError(str(site.root), what, found=found, hint=_choice(site, current))
    return site.generation(number)


def _earlier(site: Site, current: Generation) -> int:
    if earlier := site.earlier(current):
        return earlier[0]
    raise TargetError(str(site.root), "no earlier generation to go back to", hint=_choice(site, current))


def _no_longer_vouched(site: Site, earlier: Generation) -> Iterator[str]:
    """What would keep its bundle from being installed today. It was accepted here once, so it is no reason not to go back."""
    vouched = vouched_for(site.switches(), earlier.index)
    what = f"version {earlier.version}, which this goes back to,"
    if root := site.root_of_trust():
        valid = pinned(root, "trust root").signed.roles["targets"]
        left = [key for key in vouched.keys if key in valid.keyids]
        if vouched.keys and len(left) < valid.threshold:
            gone = ", ".join(key[:8] for key in vouched.keys if key not in valid.keyids)
            revoked = (
                f"was signed by keys that are revoked since: {gone}"
                if gone
                else "has too few signatures today"
            )
            yield f"{what} {revoked}"
    for name in demanded(site):
        if not any(line.startswith(f"approval by {name}: ") for line in vouched.approvals.splitlines()):
            yield f"{what} was not approved by {name}, whose approval is demanded now"


def _choice(site: Site, current: Generation) -> str:
    """Which generations are left, and which are gone for good."""
    removed = [act for act in site.journal().acts if act.removed]
    gone = f"; gc removed others, the last on {day(removed[-1].time)}" if removed else ""
    others = [site.generation(number) for number in site.accepted()]
    if not (known := [one for one in others if one.content == one.number != current.content]):
        return f"nothing else is here to go to{gone}: install the bundle of the version that is wanted"
    names = ", ".join(f"{one.number} ({one.version})" for one in known)
    return f"--to goes to any of these: {names}{gone}"


def _check(site: Site, generation: Generation) -> None:
    if not Path(generation.python).exists():
        raise TargetError(f"generation {generation.number}", "its Python is gone", expected=generation.python)
    changed = list(islice(drift(site.path(directory_of(generation.content)), generation.tree), _NAMED + 1))
    if changed:
        names = ", ".join(change.path for change in changed[:_NAMED])
        raise IntegrityError(
            f"generation {generation.number}",
            "files are not what was installed",
            found=f"changed or missing: {names}{' and more' if len(changed) > _NAMED else ''}",
            hint="install the bundle of that version again",
        )


def day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()
