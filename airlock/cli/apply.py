"""`airlock apply BASE DELTA -o NEW`: restore the new bundle, which then goes through `verify` like any other."""

import argparse
import os
from pathlib import Path

from airlock.cli.arguments import existing, zstd_level
from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", type=existing, metavar="BASE", help="the bundle that is at hand")
    parser.add_argument(
        "delta",
        type=existing,
        nargs="+",
        metavar="DELTA",
        help="the .airdelta that was carried over, or its volumes",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="NEW", help="the bundle to write")
    parser.add_argument(
        "--level",
        type=zstd_level,
        metavar="N",
        help="compress what changed at this zstd level: 1 is the fastest, and the file is then not the very one that was built",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.airgapped.apply import apply
    from airlock.cli.carried import carried
    from airlock.cli.session import print_json
    from airlock.storage.archive import Archive
    from airlock.storage.atomic import replacing
    from airlock.storage.restore import BundleFrames

    output: Path = arguments.output.absolute()
    session.reporter.note(f"Restoring {output.name}")
    with carried([arguments.base]) as old, carried(arguments.delta) as update, replacing(output) as out:
        base = BundleFrames(Archive(old.stream, old.where))
        delta = Archive(update.stream, update.where)
        report = apply(base, delta, out, output.parent, level=arguments.level, jobs=os.cpu_count() or 1)
    session.record(output, "apply", index=report.index, detail=f"from {arguments.delta[0].name}")
    if not report.identical and arguments.level is None:
        session.reporter.note(
            "this machine's libzstd is not the one that was pinned: contents are the same, the file is not"
        )
    if arguments.json:
        fields = ("index", "kept", "patched", "full", "identical")
        print_json({"path": str(output)} | {name: getattr(report, name) for name in fields})
        return None
    print(output)
    print(f"  {report.kept} kept, {report.patched} patched, {report.full} whole")
    print(f"  index  {report.index}")
    return None
