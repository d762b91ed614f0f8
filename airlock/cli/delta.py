"""`airlock delta OLD.lock NEW.lock`: the update for each target that both versions have."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import add_level, at_level
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.connected.build import Workshop
    from airlock.connected.delta import DeltaReport
    from airlock.core.digest import Digest
    from airlock.formats.lockfile import Lockfile


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, metavar="OLD.lock", help="the version that the far side has")
    parser.add_argument("new", type=Path, metavar="NEW.lock", help="the version that it will have")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this target; may be repeated")
    parser.add_argument("--offline", action="store_true", help="use the store alone")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where deltas go (default: dist beside NEW.lock)"
    )
    parser.add_argument(
        "--signed",
        type=Path,
        action="append",
        default=[],
        metavar="BUNDLE",
        help="the signed new bundle, whose signatures the delta is to carry; may be repeated",
    )
    add_level(parser, "that both bundles were built with, where it is not the locks'")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="artifacts at a time (default: one a processor)"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.cli.workshop import chosen_targets, fill_store, note_what_moved, read_lock, workshop

    old_path, new_path = arguments.old.absolute(), arguments.new.absolute()
    old, new = (at_level(read_lock(path), arguments.level) for path in (old_path, new_path))
    targets = chosen_targets(new, arguments.target, new_path.name)
    note_what_moved(session, new_path, new)
    for target in targets:
        old.target(target, old_path.name)
    if not arguments.offline:
        fill_store(session, old_path, old, targets, arguments.jobs)
        fill_store(session, new_path, new, targets, arguments.jobs)
    tools = workshop(session, arguments.jobs)
    output = arguments.output or new_path.parent / "dist"
    reports = [_delta(old, new, target, tools, (output, arguments.signed)) for target in targets]
    for report in reports:
        session.record(
            report.path,
            "delta",
            project=new.project.name,
            version=new.project.version,
            index=report.index,
            detail=f"from version {old.project.version}, index {report.base}",
        )
        if report.base == report.index:
            session.reporter.warn(
                f"{report.target}: both locks make the same bundle, and this delta changes nothing"
            )
    _tell(reports, arguments.json)
    for report in reports:
        if not report.signed:
            session.reporter.note(f"next: airlock sign {report.path} --key KEY")
    return None


def _delta(
    old: "Lockfile", new: "Lockfile", target: str, tools: "Workshop", places: tuple[Path, list[Path]]
) -> "DeltaReport":
    from airlock.connected.delta import delta, side_of

    output, signed = places
    base, fresh = side_of(old, target, tools), side_of(new, target, tools)
    name = f"{new.project.name}-{old.project.version}-to-{new.project.version}-{target}.airdelta"
    return delta(base, fresh, tools, output / name, _trust(signed, target, fresh.digest))


def _trust(signed: list[Path], target: str, index: "Digest") -> dict[str, bytes]:
    """The signatures of the bundle that was made for `target`; nothing where there is none."""
    from airlock.connected.delta import read_trust
    from airlock.core.canonical_json import MAX_SIZE
    from airlock.errors import UsageError
    from airlock.formats.index import INDEX, parse_index
    from airlock.storage.archive import Archive

    for path in signed:
        with path.open("rb") as stream:
            bundle = Archive(stream, str(path))
            if parse_index(bundle.read(INDEX, MAX_SIZE), str(path)).target.name == target:
                if trust := read_trust(bundle, index):
                    return trust
                raise UsageError(
                    str(path), "not signed", hint="sign it with `airlock sign`, or leave --signed out"
                )
    return {}


def _tell(reports: "list[DeltaReport]", as_json: bool) -> None:
    from airlock.cli.progress import human_size
    from airlock.cli.session import print_json

    if as_json:
        fields = ("target", "size", "base", "index", "kept", "patched", "full", "bundle")
        print_json(
            {
                "deltas": [
                    {"path": str(report.path)} | {name: getattr(report, name) for name in fields}
                    for report in reports
                ]
            }
        )
        return
    for report in reports:
        share = f"{100 * report.size / report.bundle:.1f} %" if report.bundle else "all"
        print(report.path)
        print(f"  {human_size(report.size)}, {share} of the new bundle")
        print(f"  {report.kept} kept, {report.patched} patched, {report.full} whole")
        print(f"  from index  {report.base}")
        print(f"  to index    {report.index}")
