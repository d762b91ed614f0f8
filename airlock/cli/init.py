"""`airlock init`."""

import argparse
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session
from airlock.errors import UsageError

if TYPE_CHECKING:
    from airlock.connected.init import Found

MANIFEST = "airlock.toml"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="the project; default: the current one"
    )
    parser.add_argument("--force", action="store_true", help="replace an airlock.toml that is there")


def _origin(found: "Found") -> str:
    if found.source:
        return f": the project's own wheel brings what {found.taken_from} says that it needs"
    count = len(found.requirements)
    return f", with {count} requirement{'s' * (count != 1)} of {found.taken_from}" if found.taken_from else ""


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.connected.init import Host, compose, find
    from airlock.storage.atomic import write_atomically

    path: Path = arguments.directory / MANIFEST
    if not arguments.directory.is_dir():
        raise UsageError(str(arguments.directory), "no such directory")
    if path.exists() and not arguments.force:
        raise UsageError(str(path), "exists already", hint="edit it, or replace it with --force")
    found = find(arguments.directory)
    host = Host(python="{}.{}".format(*sys.version_info), machine=platform.machine())
    write_atomically(path, compose(found, host).encode())
    for warning in found.warnings:
        session.reporter.warn(warning)
    session.reporter.note(f"wrote {path}{_origin(found)}")
    session.reporter.note("next: look at its [[target]], then run `airlock lock`")
