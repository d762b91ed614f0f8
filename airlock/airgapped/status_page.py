"""A site's status as one page that needs nothing else, for `airlock status --html` and for `airlock serve` at `/`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airlock.airgapped.pages import date, page
from airlock.airgapped.pages.acts import row_of
from airlock.airgapped.site import Site
from airlock.airgapped.status import Status, health, status
from airlock.core.digest import Digest
from airlock.formats.journal import Act
from airlock.formats.trust import short_form

_ACTS = 12
"""Lines of the journal that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A generation that a rollback can go back to."""

    number: int
    version: str
    index: Digest
    installed: int | None
    """Seconds since the epoch; None where the journal does not say."""


def site_page(site: Site) -> str:
    """The page of what the site is now. Raises TargetError where nothing is installed, and IntegrityError."""
    report = status(site)
    acts = site.sound_journal()[0].acts
    has_check = site.index(report.generation.index).health is not None
    return status_page(report, tuple(_earlier(site, report, acts)), acts, has_check=has_check)


def _earlier(site: Site, report: Status, acts: Iterable[Act]) -> Iterator[Earlier]:
    made = {act.after: act.time for act in acts if act.after and act.outcome == "done"}
    numbers = () if report.fault else site.earlier(report.generation)
    for number in numbers:
        one = site.generation(number)
        yield Earlier(number=number, version=one.version, index=one.index, installed=made.get(number))


def status_page(
    report: Status, earlier: tuple[Earlier, ...], acts: tuple[Act, ...], *, has_check: bool
) -> str:
    """Pure: the same for the same site, whenever it is asked."""
    generation = report.generation
    return page(
        "status.html.j2",
        s=report,
        g=generation,
        aloud=short_form(generation.index),
        since=date(report.since.time) if report.since else "",
        keys=[key[:16] for key in report.vouched.keys],
        approvals=report.vouched.approvals.splitlines(),
        health=health(report, has_check),
        audited=date(report.audited.time) if report.audited else "",
        earlier=[
            {
                "number": one.number,
                "version": one.version,
                "aloud": short_form(one.index),
                "installed": date(one.installed) if one.installed is not None else "",
            }
            for one in earlier
        ],
        acts=[row_of(act) for act in reversed(acts[-_ACTS:])],
        fault=str(report.fault) if report.fault else "",
    )
