"""The one atomic switch of generations, the verdict of the health check on it, and what a power cut left behind.

An act is announced (`state/switch.json`), done (`current` is renamed), judged, written to the journal, and its
announcement removed. Whatever is interrupted, the next command finishes: a switch that happened is judged then, a verdict
that was reached is carried out, anything that was only prepared is thrown away.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.airgapped.collect import clear_contents, finish
from airlock.airgapped.health import Verdict, activate, check_health
from airlock.airgapped.site import CURRENT, FOLDERS, INTENT, TEMPORARY, Site, directory_of, record_of
from airlock.airgapped.sound import check_sound
from airlock.core.reporter import Reporter
from airlock.errors import AirlockError, IntegrityError, TargetError
from airlock.formats.generation import Generation
from airlock.formats.journal import Act

_NAMED = 5
"""Names that a line of the journal tells."""
_SHOWN = 400
"""Characters of a failed check's output that the error shows; the journal has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every act at a site needs to know of the world."""

    now: int
    """Seconds since the epoch."""
    environment: Mapping[str, str]
    """For activations and the health check, and to find interpreters."""
    reporter: Reporter
    user: str = ""
    """Who is at the machine, for the journal."""
    file: str = ""
    """The name of the file that was carried here, for the journal."""
    volumes: str = ""
    """Of which set of volumes it was read, if it was, for the journal."""


class Unhealthy(TargetError):
    """What was switched to could not be activated, or its health check failed; the journal has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Who stands for what is switched to, for the journal."""

    keys: tuple[str, ...] = ()
    approvals: str = ""
    """One line each."""


def switch(
    site: Site,
    act: str,
    to: Generation,
    world: Surroundings,
    vouched: Vouched = Vouched(),
) -> Act:
    """Make a staged generation the current one, and keep it if it is healthy. Raises TargetError where it is not; the
    one before is then current again."""
    announced = Act(
        act=act,
        time=world.now,
        outcome="",
        user=world.user,
        keys=vouched.keys,
        file=world.file,
        project=to.project,
        version=to.version,
        index=to.index,
        release=to.release,
        before=site.current(),
        after=to.number,
        detail=vouched.approvals,
    )
    site.announce(announced)
    site.point_to(to.number)
    judged, verdict = _judge(site, announced, world)
    if judged.outcome == "reverted":
        raise _unhealthy(judged, verdict)
    return judged


def _judge(site: Site, act: Act, world: Surroundings) -> tuple[Act, Verdict]:
    verdict = _verdict(site, act, world)
    if verdict.healthy:
        judged = replace(act, outcome="done")
        site.conclude(judged)
        return judged, verdict
    judged = replace(act, outcome="reverted", detail="\n".join(filter(None, [act.detail, verdict.detail])))
    site.announce(judged)
    _revert(site, judged, world)
    return judged, verdict


def _verdict(site: Site, act: Act, world: Surroundings) -> Verdict:
    assert act.index is not None, "a switch has one"
    index, generation = site.index(act.index), site.path(directory_of(act.after))
    activated = activate(index.activation, generation, world.environment, world.reporter)
    if not activated.healthy:
        return activated
    return check_health(index.health, generation, world.environment, world.reporter)


def _revert(site: Site, act: Act, world: Surroundings) -> None:
    if act.before:
        site.point_to(act.before)
        _activate_again(site, act.before, world)
    else:
        site.disk.remove(CURRENT)
        site.disk.sync(".")
    site.conclude(act)


def _activate_again(site: Site, number: int, world: Surroundings) -> None:
    """What outside the site took up the generation that failed takes up this one. A failure of that is told: there is nothing
    better left to go back to."""
    try:
        activations = site.index(site.generation(number).index).activation
    except (AirlockError, OSError) as error:
        world.reporter.warn(f"generation {number} is in use again, but nothing of it was activated: {error}")
        return
    verdict = activate(activations, site.path(directory_of(number)), world.environment, world.reporter)
    if not verdict.healthy:
        told = " | ".join(verdict.detail.splitlines())[-_SHOWN:]
        world.reporter.warn(f"generation {number} is in use again, but {verdict.what}: {told}")


def _unhealthy(act: Act, verdict: Verdict) -> Unhealthy:
    now = f"generation {act.before} is in use again" if act.before else "nothing is installed"
    return Unhealthy(
        f"generation {act.after}",
        f"{verdict.what}, and {now}",
        expected=verdict.expected,
        found=" | ".join(act.detail.splitlines())[-_SHOWN:],
        hint="`airlock history --json` has the end of its output",
    )


def recover(site: Site, world: Surroundings) -> None:
    """Finish or undo what an interrupted command left. The caller holds the lock. Raises IntegrityError where the site is not
    as any interruption leaves it; nothing was changed then."""
    check_sound(site)
    done: list[str] = []
    if torn := site.journal().torn:
        done.append(f"a line of {len(torn)} bytes was never finished")
    if (act := site.intent()) is not None:
        done += _resume(site, act, world)
    elif (current := site.current_generation()) and site.verdict_on(current.number) is None:
        _say_again(site, current, world)
    if finish(site):
        done.append("what a gc had let go was still there")
    if swept := sweep(site):
        done.append(
            f"removed what was never finished: {', '.join(swept[:_NAMED])}{' …' * (len(swept) > _NAMED)}"
        )
    if done:
        _note(site, world, "\n".join(done))


def _say_again(site: Site, current: Generation, world: Surroundings) -> None:
    """The line that made a generation the current one was torn; what it said of the order of things is still known."""
    act = Act(
        act="recover",
        time=world.now,
        outcome="done",
        user=world.user,
        project=current.project,
        version=current.version,
        index=current.index,
        release=current.release,
        before=site.used_before(current.number),
        after=current.number,
        detail="it is in use, and the line that said since when was lost",
    )
    try:
        site.append(act)
    except OSError as error:
        world.reporter.warn(f"the recovery could not be written to the journal: {error}")


def _note(site: Site, world: Surroundings, detail: str) -> None:
    """A site that recovered is one, whether or not that can be written down."""
    try:
        site.append(Act(act="recover", time=world.now, outcome="done", user=world.user, detail=detail))
    except OSError as error:
        world.reporter.warn(f"the recovery could not be written to the journal: {error}")


def sweep(site: Site) -> list[str]:
    """Remove what was prepared and never switched to, and the contents that came with it. Returns the names."""
    strays = _strays(site)
    if not (names := list(_leftovers(site, strays))):
        return []
    clear_contents(site, set(site.numbers()) - strays)
    for name in names:
        site.disk.remove(name)
    return names


def _resume(site: Site, act: Act, world: Surroundings) -> list[str]:
    """What became of an act that was announced, for the journal."""
    if (verdict := site.verdict_on(act.after)) is not None:
        act = verdict  # only the announcement was left, or came back
    if act.outcome == "reverted":
        _revert(site, act, world)
    elif act.outcome or site.current() != act.after:
        site.disk.remove(INTENT)
        return []
    else:
        act, _ = _judge(site, act, world)
    said = f"the {act.act} of generation {act.after} was interrupted; it is now {act.outcome}"
    world.reporter.warn(said)
    return [said]


def _leftovers(site: Site, strays: set[int]) -> Iterator[str]:
    for folder in ("", *FOLDERS):
        for name in site.names(folder or "."):
            if name.endswith(TEMPORARY):
                yield name.removeprefix("./")
    for number in sorted(strays):
        yield from (name for name in (directory_of(number), record_of(number)) if _there(site.path(name)))


def _strays(site: Site) -> set[int]:
    """Generations of which there is only a part, or that were never switched to."""
    records, directories = set(site.numbers()), _directories(site)
    switched = {act.after for act in site.switches()} | {site.current()}
    return (records | directories) - (records & directories & switched) - _in_place(site)


def _in_place(site: Site) -> set[int]:
    """Whatever is missing of what is in use, the rest of it is not for airlock to throw away."""
    if not (number := site.current()):
        return set()
    with suppress(IntegrityError, TargetError):
        return {number, site.generation(number).content}
    return {number} | _directories(site)


def _directories(site: Site) -> set[int]:
    names = (name.rpartition("/")[2] for name in site.names("generations"))
    return {int(name) for name in names if name.isascii() and name.isdigit()}


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
