"""`airlock split FILE --size dvd -o DIR`: a bundle or delta as volumes, one for each disc."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle or a delta")
    parser.add_argument(
        "--size",
        required=True,
        metavar="SIZE",
        help="cd, dvd, dvd-dl, bd25, bd50, bd100, fat32, or the bytes of one volume: 4.4G, 700MiB",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where volumes go")
    parser.add_argument(
        "--parity",
        type=int,
        default=0,
        metavar="N",
        help="N more volumes: any N of all may then be lost or damaged",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.progress import human_size
    from airlock.connected.split import plan_split, split
    from airlock.core.erasure import MAX_ROWS
    from airlock.errors import UsageError
    from airlock.formats.media import parse_capacity
    from airlock.storage.archive import Archive
    from airlock.storage.atomic import replacing
    from airlock.storage.room import check_room
    from airlock.storage.volume import SUFFIX

    capacity = parse_capacity(arguments.size, "--size")
    if not 0 <= arguments.parity < MAX_ROWS:
        expected = f"a number from 0 to {MAX_ROWS - 1}"
        raise UsageError("--parity", "out of range", expected=expected, found=str(arguments.parity))
    if arguments.output.exists() and not arguments.output.is_dir():
        raise UsageError("--output", "a file", expected="a folder", found=str(arguments.output))
    source: Path = arguments.file
    with source.open("rb") as stream, ExitStack() as files:
        archive = Archive(stream, str(source))
        plan = plan_split(archive, source.name, source.stat().st_size, capacity, arguments.parity)
        if not any(name.startswith("trust/") for name in archive.members):
            session.reporter.warn(f"{source} is not signed, and no volume of it will say who made it")
        count = plan.table.count
        paths = [arguments.output / f"{plan.table.label(number)}{SUFFIX}" for number in range(1, count + 1)]
        check_room(arguments.output, sum(plan.sizes))
        outs = [files.enter_context(replacing(path)) for path in paths]
        made = split(plan, stream, outs, session.reporter)
    session.record(source, "split", index=made.table.index, detail=f"set {made.identity}")
    if arguments.json:
        print_json(
            {
                "set": made.identity,
                "file": made.table.digest,
                "data": made.table.data,
                "parity": made.table.parity,
                "volumes": [
                    {"path": str(path), "size": size} for path, size in zip(paths, plan.sizes, strict=True)
                ],
            }
        )
        return
    for number, (path, size) in enumerate(zip(paths, plan.sizes, strict=True), 1):
        print(f"{path}  {human_size(size)}{'  parity' if number > made.table.data else ''}")
    print(f"  set   {made.identity}")
    print(f"  file  {made.table.digest}")
