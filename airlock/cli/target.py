"""`airlock target show`: this machine as a `[[target]]`, on either side of the gap."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.airgapped.target import ThisMachine


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="target_command", metavar="show", required=True)
    show = commands.add_parser(
        "show",
        help="print this machine as a [[target]]",
        description="Print this machine as a [[target]] that can be pasted into airlock.toml.",
    )
    show.add_argument("--name", default="this-machine", help="default: %(default)s")
    show.add_argument(
        "--python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that is to run the application (default: airlock's own)",
    )
    show.add_argument("--json", action="store_true", help="tell it as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.target import this_machine
    from airlock.formats.rows import write_target

    machine = this_machine(arguments.name, arguments.python)
    if arguments.json:
        print_json(write_target(machine.target) | {"exact": dict(machine.markers)})
        return
    print(as_toml(machine), end="")


def as_toml(machine: "ThisMachine") -> str:
    target = machine.target
    exact = ", ".join(f"{name} = {json.dumps(value)}" for name, value in machine.markers.items())
    return (
        "[[target]]\n"
        f"name = {json.dumps(target.name)}\n"
        f'python = "{target.python}"  # the lowest that it may have\n'
        f'platform = "{target.platform}"\n'
        "# Only where `airlock lock` asks for exact values; install then refuses any other:\n"
        f"# markers = {{ {exact} }}\n"
    )
