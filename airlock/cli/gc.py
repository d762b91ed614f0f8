"""`airlock gc`: let go of generations that nothing needs any more."""

import argparse
from typing import TYPE_CHECKING

from airlock.cli.far_side import add_root
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.airgapped.gc import Collection


def configure(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    parser.add_argument(
        "--keep",
        type=number,
        default=1,
        metavar="N",
        help="how many rollbacks, one after the other, stay possible (default: 1)",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would go, remove nothing")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def number(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.gc import collect, plan
    from airlock.airgapped.running import in_use
    from airlock.cli.far_side import opened, world_of
    from airlock.cli.session import print_json

    with opened(arguments.root) as site:
        if arguments.dry_run:
            done = plan(site, arguments.keep, in_use)
        else:
            done = collect(site, arguments.keep, world_of(session), in_use)
    if arguments.json:
        fields = ("kept", "removed", "running", "contents", "freed")
        print_json({name: getattr(done, name) for name in fields} | {"dry_run": arguments.dry_run})
        return
    _tell(done, arguments.dry_run)


def _tell(done: "Collection", dry_run: bool) -> None:
    from airlock.cli.progress import human_size

    if not done.removed and not done.contents:
        several = len(done.kept) != 1
        what = f"generations {_list(done.kept)} stay" if several else f"generation {_list(done.kept)} stays"
        print(f"nothing to let go; {what}")
        return
    verb = "would free" if dry_run else "freed"
    print(f"{verb} {human_size(done.freed)}")
    plural = "" if len(done.removed) == 1 else "s"
    print(f"  gone     generation{plural} {_list(done.removed) or 'none'}, contents {done.contents}")
    print(f"  kept     {_list(done.kept)}")
    if done.running:
        print(f"  running  {_list(done.running)}: programs that were started from there still run")


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
