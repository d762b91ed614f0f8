"""`airlock status`: what is installed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.far_side import add_root
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.airgapped.site import Site
    from airlock.airgapped.status import Status


def configure(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    parser.add_argument("--html", type=Path, metavar="PAGE", help="draw it as one self-contained page, too")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.status import health, status
    from airlock.cli.far_side import opened
    from airlock.storage.atomic import write_atomically

    with opened(arguments.root) as site:
        report = status(site)
        has_check = site.index(report.generation.index).health is not None
        drawn = _page(site) if arguments.html else ""
    said = health(report, has_check)
    if arguments.html:
        write_atomically(arguments.html, drawn.encode())
        session.reporter.note(f"drawn in {arguments.html}")
    if arguments.json:
        print_json(_document(report, said))
    else:
        _tell(report, said)
    if report.interrupted and not arguments.json:
        session.reporter.warn(
            f"the {report.interrupted.act} of generation {report.interrupted.after} was interrupted, or is under way"
        )
    if report.fault:
        session.reporter.warn("this is what the records say, for the journal is not whole")
        raise report.fault


def _page(site: "Site") -> str:
    from airlock.airgapped.status_page import site_page

    return site_page(site)


def _tell(report: "Status", health: str) -> None:
    from airlock.formats.trust import short_form

    generation = report.generation
    content = f" (content of {generation.content})" if generation.content != generation.number else ""
    print(f"{generation.project} {generation.version}, generation {generation.number}{content}")
    print(f"  target  {report.target}")
    print(f"  aloud   {short_form(generation.index)}")
    print(f"  signed  {_signers(report)}; trust root version {report.root}")
    for line in report.vouched.approvals.splitlines():
        print(f"  given   {line}")
    print(f"  asked   {', '.join(report.demanded) or 'no approvals'}")
    print(f"  python  {generation.python}")
    print(f"  since   {_since(report)}")
    print(f"  health  {health}")
    print(f"  audit   {_audit(report)}")


def _since(report: "Status") -> str:
    from airlock.cli.history import date

    if report.since is None:
        return "the journal does not say" if report.fault else "not settled"
    return date(report.since.time)


def _audit(report: "Status") -> str:
    from airlock.cli.history import date

    return f"{date(report.audited.time)}, {report.audited.detail}" if report.audited else "not yet"


def _signers(report: "Status") -> str:
    if not report.vouched.keys:
        return "by whom, the journal does not say"
    return f"by {', '.join(key[:8] for key in report.vouched.keys)}"


def _document(report: "Status", health: str) -> dict[str, Any]:
    from airlock.formats.trust import short_form

    generation = report.generation
    return {
        "project": generation.project,
        "version": generation.version,
        "generation": generation.number,
        "content": generation.content,
        "index": generation.index,
        "short": short_form(generation.index),
        "target": report.target,
        "signers": list(report.vouched.keys),
        "approvals": report.vouched.approvals.splitlines(),
        "demanded": list(report.demanded),
        "root": report.root,
        "release": generation.release,
        "python": generation.python,
        "since": report.since.time if report.since else None,
        "health": health,
        "audited": report.audited.time if report.audited else None,
        "audit": report.audited.detail if report.audited else None,
        "interrupted": report.interrupted is not None,
        "fault": str(report.fault) if report.fault else None,
    }
