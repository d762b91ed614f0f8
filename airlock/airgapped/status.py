"""`airlock status` and `airlock history`: what a site says of itself. Nothing is changed, and no lock is taken."""

from dataclasses import dataclass

from airlock.airgapped.record import last_audit, vouched_for
from airlock.airgapped.site import Site
from airlock.airgapped.switch import Vouched
from airlock.errors import IntegrityError, TargetError
from airlock.formats.generation import Generation
from airlock.formats.journal import Act, Journal
from airlock.formats.trust_chain import pinned

NOTHING_YET = "install a bundle with `airlock install`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    generation: Generation
    since: Act | None
    """The act that made it current; None while that act is not finished."""
    interrupted: Act | None
    """An act that the next command will finish or undo."""
    vouched: Vouched
    """Who stood for it when it was installed, as far as the journal says."""
    demanded: tuple[str, ...]
    """The approvers without whose approval nothing more is installed here."""
    root: int
    """The version of the pinned trust root."""
    target: str
    audited: Act | None = None
    """The last audit of this very content; its detail says what it came to."""
    fault: IntegrityError | None = None
    """What is wrong with the journal; the rest is then what the records and the sound lines say."""


def status(site: Site) -> Status:
    """Raises TargetError where nothing is installed."""
    if (generation := site.current_generation()) is None:
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    journal, fault = site.sound_journal()
    acts = [act for act in journal.acts if act.after == generation.number and act.outcome == "done"]
    since = acts[-1] if acts else None
    root = site.root_of_trust()
    return Status(
        generation=generation,
        since=since,
        interrupted=site.intent(),
        vouched=vouched_for(journal.acts, generation.index),
        demanded=demanded(site),
        root=pinned(root, "trust root").version if root else 0,
        target=site.index(generation.index).target.name,
        audited=last_audit(journal.acts, generation.index),
        fault=fault,
    )


def health(report: Status, has_check: bool) -> str:
    """What is known of the health of what is in use, in words."""
    if report.since is None:
        return "the journal does not say" if report.fault else "not checked yet"
    return "good when it was switched to" if has_check else "no check declared"


def demanded(site: Site) -> tuple[str, ...]:
    """Approvers whose approval every further bundle needs. Raises IntegrityError."""
    roots = {name: pinned(data, f"approval root of {name}") for name, data in site.approval_roots().items()}
    return tuple(name for name, root in roots.items() if not root.policy.retired)


def history(site: Site) -> tuple[Act, ...]:
    """Every switch, the oldest first. Raises TargetError where there was none."""
    if not (acts := site.switches()):
        raise TargetError(str(site.root), "nothing was ever installed here", hint=NOTHING_YET)
    return acts


def transfers(site: Site) -> tuple[Journal, IntegrityError | None]:
    """The sound part of the journal, and what is wrong with the rest. Raises TargetError where there never was one."""
    journal, fault = site.sound_journal()
    if not (journal.lines or journal.torn or fault):
        raise TargetError(str(site.root), "nothing was ever installed here", hint=NOTHING_YET)
    return journal, fault
