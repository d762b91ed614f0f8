"""What a dossier says in few words, the same on a page and in Markdown."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from airlock.airgapped.dossier.facts import UNKNOWN, Dossier
from airlock.airgapped.pages import difference
from airlock.core.plain import human_size
from airlock.formats.findings import Finding, Report

GOOD, CARE, BAD = "good", "care", "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that whoever signs off looks at first."""

    what: str
    mood: str
    short: str
    more: str


def verdicts(dossier: Dossier) -> tuple[Verdict, ...]:
    return _signatures(dossier), _changes(dossier), _audit(dossier), _licenses(dossier)


def _signatures(dossier: Dossier) -> Verdict:
    release = next((one for one in dossier.signed if not one.approver), None)
    approvals = sum(bool(one.approver) for one in dossier.signed)
    more = f"and {_count(approvals, 'approval')}" if approvals else ""
    if any(one.fault for one in dossier.signed):
        return Verdict(what="Signatures", mood=BAD, short="worthless", more="of another index or release")
    if dossier.checked and release:
        return Verdict(what="Signatures", mood=GOOD, short="verified", more=more or "against the root given")
    if release:
        return Verdict(
            what="Signatures", mood=CARE, short="not verified here", more=more or "no trust root given"
        )
    return Verdict(what="Signatures", mood=BAD, short="not signed", more=more)


def _changes(dossier: Dossier) -> Verdict:
    if not dossier.since:
        count = _count(len(dossier.items), "artifact")
        return Verdict(what="Changes", mood="", short="all of it is new", more=count)
    if not dossier.changes:
        return Verdict(what="Changes", mood=GOOD, short="none", more=f"against {dossier.since}")
    mood = CARE if "downgraded" in dossier.counts() else ""
    total = sum(change.grown for change in dossier.changes)
    return Verdict(
        what="Changes",
        mood=mood,
        short=_count(len(dossier.changes), "artifact"),
        more=f"{counted(dossier)}; {difference(total)}",
    )


def _audit(dossier: Dossier) -> Verdict:
    report = dossier.audit
    if report is None:
        return Verdict(what="Audit", mood=CARE, short="no report", more="airlock audit makes one")
    if not _is_about(report, dossier):
        return Verdict(what="Audit", mood=BAD, short="of another bundle", more="")
    counts = report.counts()
    told = ", ".join(_count(number, severity) for severity, number in counts.items() if number)
    excepted = sum(one.standing == "excepted" for one in report.findings)
    more = _count(excepted, "exception") if excepted else ""
    if not told:
        return Verdict(what="Audit", mood=GOOD, short="nothing open", more=more)
    mood = BAD if counts["error"] else CARE if counts["warning"] else GOOD
    return Verdict(what="Audit", mood=mood, short=told, more=more)


def _is_about(report: Report, dossier: Dossier) -> bool:
    """The report of a lock knows no index, for there is no bundle yet."""
    if report.index is not None:
        return report.index == dossier.index
    named = (dossier.project.name, dossier.project.version, dossier.target.name)
    return (report.project, report.version, report.target) == named


def _licenses(dossier: Dossier) -> Verdict:
    found = dict(dossier.licenses())
    unknown = found.pop(UNKNOWN, 0)
    changed = sum(bool(change.license_before) for change in dossier.changes)
    words = [f"{unknown} without"] if unknown else []
    words += [f"{changed} changed"] if changed else []
    mood = CARE if words else GOOD if found else ""
    return Verdict(
        what="Licences", mood=mood, short=_count(len(found), "licence"), more=", ".join(words) or "all stated"
    )


def counted(dossier: Dossier) -> str:
    return ", ".join(f"{number} {what}" for what, number in dossier.counts().items())


def runs(dossier: Dossier) -> Iterator[str]:
    """Commands that the far side will run, which whoever approves must see."""
    for one in dossier.activation:
        yield shlex.join(one.command)
    if dossier.health:
        yield shlex.join(dossier.health.command)


def audited(dossier: Dossier) -> str:
    """A sentence of the audit."""
    report = dossier.audit
    assert report is not None
    text = f"Of {report.project} {report.version}"
    text += f", generation {report.generation}" if report.generation else f", the {report.subject}"
    if report.advisories:
        modified = report.advisories.modified or "of no date"
        text += f"; advisories of {report.advisories.file}, the newest {modified}"
    return f"{text}: {_count(len(report.findings), 'finding')}."


def told(dossier: Dossier) -> tuple[Finding, ...]:
    """Findings that are graver than a note, and those that are settled, notes too."""
    found = dossier.audit.findings if dossier.audit else ()
    return tuple(one for one in found if one.severity != "note" or one.standing != "open")


def standing(one: Finding) -> tuple[str, str]:
    """How a finding is shown: its state, and the mood of that."""
    if one.standing != "open":
        return one.standing, ""
    return one.severity, {"error": BAD, "warning": CARE}.get(one.severity, "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def total(dossier: Dossier) -> str:
    return f"{_count(len(dossier.items), 'artifact')}, {human_size(dossier.unpacked)} once they are unpacked"
