"""What a site's journal is told besides its switches: what came, what was refused, what was recovered.

A refusal is the one thing that a command writes to a site that it otherwise leaves as it was, to the byte; and where it cannot
be written (another's root, a read-only medium, a full disk, a broken journal) the refusal stands all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Unpack

from airlock.airgapped.site import JOURNAL, Site, locked
from airlock.airgapped.switch import Surroundings, Unhealthy, Vouched
from airlock.airgapped.verify import SignedIndex
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.errors import AirlockError, IntegrityError, TargetError
from airlock.formats.index import INDEX
from airlock.formats.journal import MAX_JOURNAL, Act, Facts, Line
from airlock.storage.archive import Archive

_REFUSALS = MAX_JOURNAL // 2
"""Bytes of a journal from which on it has no room for refusals: whoever has them repeated shall not fill what acts need."""


def record(site: Site, world: Surroundings, act: str, **facts: Unpack[Facts]) -> Line:
    """One line, done by default. The caller holds the lock. Raises IntegrityError where the journal is broken, OSError."""
    given: Facts = {"outcome": "done", "file": world.file, **facts}
    return site.append(Act(act=act, time=world.now, user=world.user, **given))


def facts_of(signed: SignedIndex) -> Facts:
    return {
        "keys": signed.signers,
        "project": signed.index.project.name,
        "version": signed.index.project.version,
        "index": signed.digest,
        "release": signed.release,
    }


def vouched_for(switches: tuple[Act, ...], index: Digest) -> Vouched:
    """Who stood for a bundle when it was last installed."""
    told = [act for act in switches if (act.index, act.outcome) == (index, "done") and act.keys]
    if not told:
        return Vouched()
    approvals = [line for line in told[-1].detail.splitlines() if line.startswith("approval by ")]
    return Vouched(keys=told[-1].keys, approvals="\n".join(approvals))


def last_audit(acts: tuple[Act, ...], index: Digest) -> Act | None:
    """The last audit of what that index installed."""
    return next((act for act in reversed(acts) if (act.act, act.index) == ("audit", index)), None)


def receive(site: Site, world: Surroundings, signed: SignedIndex) -> None:
    """Write down, once, that a bundle came here whose signatures hold. The caller holds the lock."""
    if not any((act.act, act.index) == ("receive", signed.digest) for act in site.journal().acts):
        facts: Facts = {**facts_of(signed), "detail": world.volumes}
        record(site, world, "receive", **facts)


@dataclass(slots=True)
class Known:
    """What is known of a bundle by the time that it is refused."""

    signed: SignedIndex | None = None
    index: Digest | None = None
    """Of its index, whoever signed that."""

    def look_at(self, archive: Archive) -> None:
        with suppress(IntegrityError):
            self.index = digest_of(archive.read(INDEX, MAX_SIZE))


@contextmanager
def refusals_recorded(site: Site, world: Surroundings, act: str, *, trial: bool = False) -> Iterator[Known]:
    """Every refusal in the block becomes a line of the journal, if the site has one. A trial leaves no trace."""
    known = Known()
    try:
        yield known
    except Unhealthy:
        raise
    except (IntegrityError, TargetError) as error:
        if not trial:
            _record_refusal(site, world, act, error, known)
        raise


def _record_refusal(site: Site, world: Surroundings, act: str, error: AirlockError, known: Known) -> None:
    if not site.path(JOURNAL).is_file():
        return
    if site.path(JOURNAL).stat().st_size > _REFUSALS:
        world.reporter.warn(
            "this is not written to the site's journal, which has no room for refusals any more"
        )
        return
    outcome = "failed" if isinstance(error.__cause__, OSError) else "refused"
    facts: Facts = facts_of(known.signed) if known.signed else {}
    if known.index:
        facts["index"] = known.index
    facts |= {"outcome": outcome, "detail": "\n".join(filter(None, [str(error), world.volumes]))}
    try:
        with locked(site, act):
            record(site, world, act, **facts)
    except (OSError, AirlockError) as reason:
        if str(reason) == str(error):
            return
        world.reporter.warn(f"this could not be written to the site's journal: {reason}")
