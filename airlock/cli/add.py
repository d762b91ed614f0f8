"""`airlock add`."""

import argparse

from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    from airlock.cli.manifest import add_manifest_option

    parser.add_argument(
        "requirements",
        nargs="+",
        metavar="REQUIREMENT",
        help="PEP 508, such as 'numpy>=2' or 'uvicorn[standard]'",
    )
    add_manifest_option(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.manifest import edit_manifest
    from airlock.connected.edit import add_requirements

    edit_manifest(
        arguments, session, lambda text, where: add_requirements(text, arguments.requirements, where)
    )
