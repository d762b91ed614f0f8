"""What a site remembers of its audits: a line of the journal, and the last report as a whole.

An audit changes nothing that it looks at. Where the site cannot be written to, its findings stand all the same.
"""

from airlock.airgapped.record import record
from airlock.airgapped.site import JOURNAL, STATE, Site, locked
from airlock.airgapped.switch import Surroundings
from airlock.errors import AirlockError, IntegrityError
from airlock.formats.findings import Report, parse_report, write_report
from airlock.formats.journal import MAX_JOURNAL
from airlock.storage.regular import read_regular

LAST_AUDIT = f"{STATE}/audit.json"
_ROOM = MAX_JOURNAL // 2
"""Bytes of a journal from which on it has no room for audits."""


def keep(site: Site, world: Surroundings, report: Report) -> None:
    """Write it down; what cannot be written is warned of."""
    try:
        if site.path(JOURNAL).stat().st_size > _ROOM:
            world.reporter.warn("the site's journal has no room for audits any more")
            return
        with locked(site, "audit"):
            site.replace(LAST_AUDIT, write_report(report))
            record(
                site,
                world,
                "audit",
                project=report.project,
                version=report.version,
                index=report.index or site.generation(report.generation).index,
                detail=summary(report),
            )
    except (OSError, AirlockError) as reason:
        world.reporter.warn(f"this audit could not be written to the site's journal: {reason}")


def summary(report: Report) -> str:
    """In one line, as the journal and `status` tell it."""
    counts = ", ".join(f"{number} {name}{'s' * (number != 1)}" for name, number in report.counts().items())
    rules = sorted({one.rule for one in report.open("warning")})
    settled = sum(one.standing != "open" for one in report.findings)
    more = f"; {settled} excepted or known before" if settled else ""
    return f"generation {report.generation}: {counts}{more}" + (f"; {', '.join(rules)}" if rules else "")


def last_report(site: Site) -> Report | None:
    """Of the last audit, whatever was in use then; None where there was none, or it cannot be read."""
    path = site.path(LAST_AUDIT)
    try:
        data = read_regular(path)
        return parse_report(data, str(path)) if data is not None else None
    except IntegrityError:
        return None
