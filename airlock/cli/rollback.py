"""`airlock rollback`: the content of an earlier generation becomes the current one."""

import argparse

from airlock.cli.far_side import add_root
from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    parser.add_argument(
        "--to", type=int, metavar="N", help="the generation to go back to (default: the one before)"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.record import refusals_recorded
    from airlock.airgapped.rollback import rollback
    from airlock.cli.far_side import opened, tell_outcome, world_of

    world = world_of(session)
    with opened(arguments.root) as site, refusals_recorded(site, world, "rollback"):
        outcome = rollback(site, arguments.to, world)
    tell_outcome(outcome, "went back to", arguments.json)
