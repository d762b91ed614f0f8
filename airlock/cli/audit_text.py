"""A report of an audit, for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airlock.formats.findings import Finding, Report
    from airlock.formats.rules import Severity

_MOST = 5
"""Lines of evidence with one finding; `--json` has them all."""


def tell(report: "Report", least: "Severity") -> None:
    """Everything from the severity `least` on; then what it comes to."""
    print(f"{_subject(report)}")
    for one in report.findings:
        if one in report.open(least):
            _tell_one(one)
        elif one.standing == "excepted":
            print(f"  excepted {one.rule}  {_place(one)}: {one.message}")
            print(f"             because {one.reason}")
    if base := report.advisories:
        age = base.modified or "an unknown date"
        print(f"  advisories of {base.file}: {base.records} records, the newest of {age}, {base.digest}")
    if report.ran:
        print(f"  {' '.join(report.ran.command)} ended with exit code {report.ran.exit_code}")
        print(f"  watched with {', '.join(report.ran.means)}")
    print(f"  {_sum(report, least)}")


def _subject(report: "Report") -> str:
    what = f"{report.subject} {report.project} {report.version} for {report.target}"
    return f"{what}, generation {report.generation}" if report.generation else what


def _tell_one(one: "Finding") -> None:
    print(f"  {one.severity:<8} {one.rule}  {_place(one)}")
    print(f"             {one.message}")
    for line in one.evidence[:_MOST]:
        print(f"             {line}")
    if len(one.evidence) > _MOST:
        print(f"             and {len(one.evidence) - _MOST} more")


def _place(one: "Finding") -> str:
    line = f":{one.line}" if one.line else ""
    return "  ".join(filter(None, [one.artifact, f"{one.path}{line}"])) or one.name


def _sum(report: "Report", least: "Severity") -> str:
    parts = [f"{number} {name}{'s' * (number != 1)}" for name, number in report.counts().items()]
    known = sum(one.standing == "known" for one in report.findings)
    excepted = sum(one.standing == "excepted" for one in report.findings)
    parts += [f"{excepted} excepted"] if excepted else []
    parts += [f"{known} known before"] if known else []
    hidden = report.counts()["note"] if least != "note" else 0
    return ", ".join(parts) + ("; --severity note tells the notes" if hidden else "")
