"""`airlock outdated`: which pins could be newer."""

import argparse
from typing import TYPE_CHECKING

from airlock.cli.locked import add_targets
from airlock.cli.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from airlock.kinds import Newer


def configure(parser: argparse.ArgumentParser) -> None:
    from pathlib import Path

    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        default=Path("airlock.lock"),
        metavar="LOCK",
        help="default: %(default)s",
    )
    add_targets(parser)
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from dataclasses import asdict

    from airlock.cli.session import print_json

    found = _found(arguments.file, arguments.target, session)
    if arguments.json:
        print_json({"packages": [asdict(one) | {"targets": list(one.targets)} for one in found]})
        return
    for one in found:
        print(_line(one))
    session.reporter.note(
        f"{len(found)} of {arguments.file.name} could be newer" if found else "all up to date"
    )


def _found(path: "Path", names: list[str] | None, session: Session) -> "list[Newer]":
    from airlock.cli.locked import manifest_beside
    from airlock.cli.near import near_side
    from airlock.cli.workshop import chosen_targets, read_lock
    from airlock.connected.relations import newer
    from airlock.kinds import Locked

    lockfile = read_lock(path)
    chosen = set(chosen_targets(lockfile, names, path.name))
    locked = Locked(
        lockfile=lockfile,
        where=path.name,
        manifest=manifest_beside(path),
        manifest_name=path.with_suffix(".toml").name,
    )
    indexes = locked.manifest.indexes if locked.manifest else None
    with near_side(session, path.absolute().parent, indexes) as near:
        return [one for one in newer(locked, near) if chosen.intersection(one.targets)]


def _line(one: "Newer") -> str:
    parts = [f"{one.name} {one.locked}"]
    if one.allowed:
        parts.append(f"→ {one.allowed}")
    if one.newest and one.newest != one.allowed:
        parts.append(f"({one.newest} is later than the cutoff)")
    if one.yanked is not None:
        parts.append(f"(yanked{f': {one.yanked}' if one.yanked else ''})")
    return " ".join([*parts, f"[{', '.join(one.targets)}]"])
