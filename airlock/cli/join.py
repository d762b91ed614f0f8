"""`airlock join DIR… -o FILE`: a bundle or delta out of its volumes, in one run or one a disc."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "places", type=existing, nargs="+", metavar="DIR", help="volumes, or folders that they lie in"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="where the file goes; with one disc after the other, the same each time",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int:
    from contextlib import closing

    from airlock.airgapped.join import join
    from airlock.errors import IntegrityError, UsageError
    from airlock.storage.partial import Partial
    from airlock.storage.room import check_room
    from airlock.storage.volume_set import open_set

    output: Path = arguments.output.absolute()
    if output.is_dir():
        raise UsageError("--output", "a folder", expected="the name of a file", found=str(arguments.output))
    with closing(open_set(arguments.places)) as volumes:
        table = volumes.table
        with closing(Partial(output, table, volumes.identity)) as partial:
            check_room(output, table.size - partial.taken)
            joined = join(volumes, partial, session.reporter)
    for fault in joined.faults:
        session.reporter.warn(fault)
    if arguments.json:
        print_json(
            {
                "path": str(output) if joined.complete else None,
                "set": volumes.identity,
                "file": table.digest,
                "complete": joined.complete,
                "faults": list(joined.faults),
                "restored": list(joined.restored),
                "needed": joined.needed,
                "read": joined.read,
                "of": joined.of,
                "bytes": joined.bytes,
            }
        )
    if not joined.complete:
        if not arguments.json:
            there = joined.bytes * 100 // table.size
            print(
                f"{joined.read} of {joined.of} discs read, {there} % of {table.name} is there; insert {joined.needed}"
            )
            print(f"  then the same command again; what is there is kept in {partial.path}")
        return IntegrityError.exit_code
    session.record(output, "join", index=table.index, detail=f"set {volumes.identity}")
    if not arguments.json:
        print(output)
        for number in joined.restored:
            print(f"  restored out of parity: {table.label(number)}")
        print(f"  file  {table.digest}")
    return 0
