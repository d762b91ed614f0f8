"""`airlock update`: the new version from a delta and what the site holds."""

import argparse

from airlock.cli.arguments import existing
from airlock.cli.far_side import add_choices, add_root
from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "delta", type=existing, nargs="+", metavar="DELTA", help="a delta, or its volumes or their folders"
    )
    add_root(parser)
    add_choices(parser, dry_run=False)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.record import refusals_recorded
    from airlock.airgapped.restored import delta_supply
    from airlock.airgapped.update import update
    from airlock.cli.carried import carried
    from airlock.cli.far_side import (
        approvals_for,
        choices_of,
        opened,
        opened_archive,
        root_for,
        tell_outcome,
        world_of,
    )

    world = world_of(session, arguments.delta)
    with (
        opened(arguments.root) as site,
        refusals_recorded(site, world, "update") as known,
        carried(arguments.delta, session.reporter) as file,
        approvals_for(arguments, site) as approvals,
    ):
        delta = opened_archive(file, delta=True)
        known.look_at(delta)
        root = root_for(site, arguments.trust)
        outcome = update(delta, root, site, delta_supply, choices_of(arguments, approvals), world)
        tell_outcome(outcome, "updated to", arguments.json)
