"""`airlock install`: a signed bundle becomes a new generation."""

import argparse

from airlock.cli.arguments import existing
from airlock.cli.far_side import add_choices, add_root
from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", type=existing, nargs="+", metavar="BUNDLE", help="a bundle, or its volumes or their folders"
    )
    add_root(parser)
    add_choices(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.install import install, plan, planned_artifacts, planned_commands
    from airlock.airgapped.record import refusals_recorded
    from airlock.cli.far_side import (
        approvals_for,
        choices_of,
        opened,
        root_for,
        signed,
        tell_outcome,
        tell_plan,
        world_of,
    )

    world = world_of(session, arguments.bundle)
    with (
        opened(arguments.root) as site,
        refusals_recorded(site, world, "install", trial=arguments.dry_run) as known,
        approvals_for(arguments, site) as approvals,
        signed(arguments.bundle, root_for(site, arguments.trust), session, approvals, known) as bundle,
    ):
        choices = choices_of(arguments, approvals)
        if arguments.dry_run:
            changes = plan(bundle, site, choices, world)
            runs = planned_commands(bundle, site)
            tell_plan(planned_artifacts(bundle, site), changes, runs, arguments.json)
        else:
            tell_outcome(install(bundle, site, choices, world), "installed", arguments.json)
