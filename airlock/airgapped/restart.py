"""`airlock history --restart`: the way on for a site whose journal was changed or removed.

The broken journal stays beside the new one, under a name with its digest. The new one begins with a line that says why, and holds
that digest; then it takes over, for each generation that is here, what the old one said of it, or else what its record says,
so that rollback, gc and the comparison of release counters have what they rest on.
"""

from collections.abc import Iterator
from dataclasses import replace

from airlock.airgapped.install import site_errors
from airlock.airgapped.site import JOURNAL, Site, locked
from airlock.airgapped.switch import Surroundings
from airlock.core.digest import digest_of, hex_of
from airlock.errors import IntegrityError, UsageError
from airlock.formats.journal import MAX_JOURNAL, Act, Journal, next_line, parse_journal, parse_line
from airlock.storage.regular import read_regular


def restart(site: Site, reason: str, world: Surroundings) -> str:
    """Returns the name, below the root, of what was set aside; empty where the journal was gone. Raises UsageError where the
    journal is sound, and TargetError or IntegrityError; the journal is then as it was."""
    if site.sound_journal()[1] is None:
        raise UsageError(str(site.path(JOURNAL)), "not broken: there is nothing to set aside")
    with site_errors(site), locked(site, "history --restart"):
        data = read_regular(site.path(JOURNAL), MAX_JOURNAL)
        aside = "" if data is None else f"state/journal.{hex_of(digest_of(data))[:16]}.broken"
        if data is not None:
            site.replace(aside, data)
        what = f"{aside}, {digest_of(data)}, was set aside" if data is not None else "the journal was gone"
        first = Act(
            act="recover", time=world.now, outcome="done", user=world.user, detail=f"{what}: {reason}"
        )
        site.replace(JOURNAL, _written([first, *_taken_over(site, data or b"", world)]))
    return aside


def _written(acts: list[Act]) -> bytes:
    data, journal = b"", Journal()
    for act in acts:
        data += next_line(journal, act)
        journal = parse_journal(data, JOURNAL)
    return data


def _taken_over(site: Site, data: bytes, world: Surroundings) -> Iterator[Act]:
    told = {act.after: act for act in _readable(data) if act.after}
    before = 0
    for number in site.numbers():
        record = site.generation(number)
        act = told.get(number) or Act(act="install", time=world.now, outcome="done", before=before)
        said = (
            "taken over from the journal that was set aside"
            if number in told
            else "taken over from its record"
        )
        yield replace(
            act,
            project=record.project,
            version=record.version,
            index=record.index,
            release=record.release,
            after=number,
            detail=said,
        )
        before = number


def _readable(data: bytes) -> Iterator[Act]:
    """What can be read of a broken journal, in or out of order."""
    for row in data.split(b"\n"):
        try:
            yield parse_line(row + b"\n", JOURNAL).act
        except IntegrityError:
            continue
