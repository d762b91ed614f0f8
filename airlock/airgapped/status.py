"""`airlock status` and `airlock history`: what a site says of itself. Nothing is changed, and no lock is taken."""

from dataclasses import dataclass

from airlock.airgapped.site import Site
from airlock.errors import TargetError
from airlock.formats.generation import Generation
from airlock.formats.journal import Act, Journal

NOTHING_YET = "install a bundle with `airlock install`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    generation: Generation
    since: Act | None
    """The act that made it current; None while that act is not finished."""
    interrupted: Act | None
    """An act that the next command will finish or undo."""


def status(site: Site) -> Status:
    """Raises TargetError where nothing is installed."""
    if (generation := site.current_generation()) is None:
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    acts = [act for act in site.switches() if act.after == generation.number and act.outcome == "done"]
    return Status(generation=generation, since=acts[-1] if acts else None, interrupted=site.intent())


def history(site: Site) -> tuple[Act, ...]:
    """Every switch, the oldest first. Raises TargetError where there was none."""
    if not (acts := site.switches()):
        raise TargetError(str(site.root), "nothing was ever installed here", hint=NOTHING_YET)
    return acts


def transfers(site: Site) -> Journal:
    """The whole journal. Raises TargetError where there is none, IntegrityError where a line is broken."""
    journal = site.journal()
    if not journal.lines and not journal.torn:
        raise TargetError(str(site.root), "nothing was ever installed here", hint=NOTHING_YET)
    return journal
