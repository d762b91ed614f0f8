"""`airlock audit`: what an installed generation, a bundle or a lock uses that nothing declares."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json
from airlock.formats.rules import SEVERITIES

if TYPE_CHECKING:
    from airlock.airgapped.audit import Auditing
    from airlock.airgapped.site import Site
    from airlock.formats.findings import Report
    from airlock.formats.index import BundleIndex


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="*",
        metavar="BUNDLE",
        help="a bundle, or its volumes, before it ships; with --run: the command",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="in its place: a site, the generation in use"
    )
    parser.add_argument(
        "--lock",
        type=existing,
        nargs="?",
        const=Path("airlock.lock"),
        metavar="FILE",
        help="in its place: the bundles that a lock would make (default: airlock.lock)",
    )
    parser.add_argument("--target", action="append", metavar="NAME", help="of a lock, this target alone")
    parser.add_argument(
        "--severity",
        choices=SEVERITIES,
        default="warning",
        help="what is told and decides the exit code: this and what is graver (default: warning)",
    )
    parser.add_argument(
        "--baseline",
        type=existing,
        metavar="FILE",
        help="an earlier report: what stands there counts no more",
    )
    parser.add_argument(
        "--no-exceptions", action="store_true", help="hold against it what the bundle excepts, too"
    )
    parser.add_argument(
        "--osv", type=existing, metavar="FILE", help="advisories: an OSV database, a record or a zip of them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the report, which can be a baseline"
    )
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write it as SARIF 2.1.0, too")
    parser.add_argument("--json", action="store_true", help="tell the report as JSON")
    parser.add_argument(
        "--seconds",
        type=int,
        metavar="N",
        help="with --run: end the application after so long (default: when it ends)",
    )
    parser.add_argument(
        "--run",
        action="store_true",
        help="at a site: run the application without a network, and find what it reaches for: --run -- COMMAND",
    )


def run(arguments: argparse.Namespace, session: Session) -> int:
    _check(arguments)
    with ExitStack() as stack:
        auditing = _auditing(arguments, session)
        if arguments.root is not None:
            from airlock.cli.far_side import opened

            reports = [_site(arguments, session, stack.enter_context(opened(arguments.root)), auditing)]
        else:
            reports = list(_near(arguments, session, auditing))
    _write(arguments, reports)
    if arguments.json:
        from airlock.formats.findings import document

        documents = [document(report) for report in reports]
        print_json(documents if arguments.lock else documents[0])
    else:
        from airlock.cli.audit_text import tell

        for report in reports:
            tell(report, arguments.severity)
    return _exit_code(reports, arguments)


def _check(arguments: argparse.Namespace) -> None:
    from airlock.errors import UsageError

    if arguments.run:
        if not arguments.file or arguments.root is None:
            hint = "airlock audit --root DIR --run -- COMMAND"
            raise UsageError("--run", "it runs a command at a site", hint=hint)
        arguments.command_line, arguments.file = arguments.file, []
    given = [bool(arguments.file), arguments.root is not None, arguments.lock is not None]
    if sum(given) != 1:
        hint = "name a BUNDLE, a site with --root DIR, or a lock with --lock"
        raise UsageError("airlock audit", "expected one thing to audit", found=str(sum(given)), hint=hint)
    for text in arguments.file:
        if not Path(text).exists():
            raise UsageError("airlock audit", f"no such file: {text!r}")


def _exit_code(reports: "Sequence[Report]", arguments: argparse.Namespace) -> int:
    """The gravest class of all; where nothing was found, whether the application that was run failed."""
    from airlock.formats.rules import RUN_FAILED

    codes = [code for report in reports if (code := report.exit_code(arguments.severity))]
    if codes:
        return min(codes)
    failed = any(report.ran and report.ran.exit_code for report in reports)
    return RUN_FAILED if failed else 0


def _auditing(arguments: argparse.Namespace, session: Session) -> "Auditing":
    from airlock.airgapped.audit import Auditing
    from airlock.airgapped.audit.native import Machine
    from airlock.errors import UsageError
    from airlock.formats.findings import Baseline, parse_report
    from airlock.kinds.registry import kind_named
    from airlock.storage.libraries import library_at

    baseline, far = Baseline(), arguments.root is not None
    if arguments.baseline:
        earlier = parse_report(arguments.baseline.read_bytes(), str(arguments.baseline))
        if far and earlier.subject != "site":
            hint = "write one here with `airlock audit --root DIR -o FILE`"
            raise UsageError("--baseline", "what the sender's side found does not count at a site", hint=hint)
        baseline = Baseline.of(earlier)
    return Auditing(
        kinds=kind_named,
        reporter=session.reporter,
        machine=Machine(library=library_at, is_folder=lambda path: Path(path).is_dir()) if far else None,
        environment=session.environment if far else {},
        baseline=baseline,
        with_exceptions=not arguments.no_exceptions,
    )


def _site(arguments: argparse.Namespace, session: Session, site: "Site", auditing: "Auditing") -> "Report":
    from dataclasses import replace

    from airlock.airgapped.audit import audit_generation, judged, report_of
    from airlock.airgapped.audit.recorded import keep
    from airlock.airgapped.status import NOTHING_YET
    from airlock.cli.far_side import world_of
    from airlock.errors import TargetError

    if (generation := site.current_generation()) is None:
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    index = site.index(generation.index)
    findings, ran = audit_generation(site, generation, auditing), None
    if arguments.run:
        from airlock.airgapped.audit.watched import audit_running

        seen, ran = audit_running(
            site, generation, arguments.command_line, session.environment, arguments.seconds
        )
        findings = judged([*findings, *seen], index, auditing)
    report = replace(report_of("site", index, findings, session.now(), generation), ran=ran)
    report = _advised(report, index, arguments, auditing)
    keep(site, world_of(session), report)
    return report


def _near(arguments: argparse.Namespace, session: Session, auditing: "Auditing") -> "Iterator[Report]":
    if arguments.file:
        yield _bundle(arguments, session, auditing)
    else:
        yield from _locked(arguments, session, auditing)


def _advised(
    report: "Report", index: "BundleIndex", arguments: argparse.Namespace, auditing: "Auditing"
) -> "Report":
    """With what the database of advisories that was carried here says, if there is one."""
    if arguments.osv is None:
        return report
    from dataclasses import replace

    from airlock.airgapped.audit import judged
    from airlock.airgapped.audit.advisories import advisory_findings

    findings, database = advisory_findings(arguments.osv, index, auditing.kinds)
    return replace(
        report, findings=judged([*report.findings, *findings], index, auditing), advisories=database
    )


def _bundle(arguments: argparse.Namespace, session: Session, auditing: "Auditing") -> "Report":
    from dataclasses import replace

    from airlock.airgapped.audit import audit_bundle, report_of
    from airlock.airgapped.export import read_index
    from airlock.cli.carried import carried
    from airlock.cli.far_side import opened_archive
    from airlock.formats.index import index_digest
    from airlock.storage.content import BundleSupply

    with carried([Path(text) for text in arguments.file], session.reporter) as file:
        archive = opened_archive(file, delta=False)
        index = read_index(archive)
        forms = tuple({entry.expanded.digest: entry.expanded for entry in index.entries}.values())
        findings = audit_bundle(index, BundleSupply(archive).contents(forms, None), auditing)
    report = replace(report_of("bundle", index, findings, session.now()), index=index_digest(index))
    return _advised(report, index, arguments, auditing)


def _locked(arguments: argparse.Namespace, session: Session, auditing: "Auditing") -> "Iterator[Report]":
    from airlock.airgapped.audit import audit_bundle, report_of
    from airlock.cli.workshop import chosen_targets, fill_store, read_lock, workshop
    from airlock.connected.build import bundle_index, make_frames
    from airlock.storage.content import frames_of

    lockfile = read_lock(arguments.lock)
    targets = chosen_targets(lockfile, arguments.target, str(arguments.lock))
    fill_store(session, arguments.lock, lockfile, targets, None)
    for target in targets:
        frames = make_frames(lockfile.artifacts_for(target), lockfile.encoder, workshop(session, None))
        index = bundle_index(lockfile, target, frames)
        files = {frame.expanded: frame.path for frame in frames}
        findings = audit_bundle(index, frames_of(files, arguments.lock.name), auditing)
        yield _advised(report_of("lock", index, findings, session.now()), index, arguments, auditing)


def _write(arguments: argparse.Namespace, reports: "Sequence[Report]") -> None:
    from airlock.errors import UsageError
    from airlock.storage.atomic import write_atomically

    if arguments.output:
        if len(reports) > 1:
            raise UsageError("-o", "a report is of one target", hint="choose one with --target")
        from airlock.formats.findings import write_report

        write_atomically(arguments.output, write_report(reports[0]))
    if arguments.sarif:
        from airlock.formats.sarif import write_sarif

        write_atomically(arguments.sarif, write_sarif(reports))
