"""`airlock remove`."""

import argparse

from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    from airlock.cli.manifest import add_manifest_option

    parser.add_argument("names", nargs="+", metavar="NAME", help="the name of a package, such as numpy")
    add_manifest_option(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.manifest import edit_manifest
    from airlock.connected.edit import remove_requirements

    edit_manifest(arguments, session, lambda text, where: remove_requirements(text, arguments.names, where))
