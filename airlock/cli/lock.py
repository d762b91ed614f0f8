"""`airlock lock`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.arguments import add_level
from airlock.cli.session import Session, print_json
from airlock.errors import ResolutionError, UsageError
from airlock.kinds import Upgrade

if TYPE_CHECKING:
    from airlock.connected.lock import Change, LockRequest
    from airlock.formats.lockfile import Lockfile


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest", type=Path, default=Path("airlock.toml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--check", action="store_true", help="only say whether the lock answers the manifest")
    parser.add_argument("-U", "--upgrade", action="store_true", help="let every pin move")
    parser.add_argument(
        "-P",
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="let this pin move (may be repeated)",
    )
    add_level(parser, "for this lock's bundles (default: what the lock has)")
    parser.add_argument(
        "--codecs",
        choices=("portable/1", "native/1"),
        help="what expanded forms rest on (default: what the lock has, or the most that is at hand)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would change, write nothing")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")


def run(arguments: argparse.Namespace, session: Session) -> int:
    manifest: Path = arguments.manifest
    lockfile = manifest.with_suffix(".lock")
    request = _request(arguments, lockfile)
    if arguments.check:
        return _check(request, lockfile, arguments.json)
    return _lock(request, lockfile, arguments, session)


def _request(arguments: argparse.Namespace, lockfile: Path) -> "LockRequest":
    from packaging.utils import canonicalize_name

    from airlock.connected.lock import LockRequest
    from airlock.formats.lockfile import parse_lockfile
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

    manifest: Path = arguments.manifest
    try:
        data = manifest.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(str(manifest), "no such file", hint="start with `airlock init`") from error
    previous = parse_lockfile(lockfile.read_bytes(), lockfile.name) if lockfile.exists() else None
    return LockRequest(
        manifest=parse_manifest(data, manifest.name, sections(), manifest.absolute().parent),
        where=manifest.name,
        directory=manifest.absolute().parent,
        previous=previous,
        upgrade=Upgrade(
            everything=arguments.upgrade,
            names=frozenset(canonicalize_name(name) for name in arguments.upgrade_package),
        ),
        level=arguments.level,
        codecs=arguments.codecs,
    )


def _check(request: "LockRequest", lockfile: Path, as_json: bool) -> int:
    from airlock.connected.lock import check

    changed = check(request)
    if as_json:
        print_json({"lockfile": lockfile.name, "up_to_date": not changed, "changed_inputs": list(changed)})
    if request.previous is None:
        raise ResolutionError(lockfile.name, "there is no lock", hint="run `airlock lock`")
    if changed:
        what = f"does not answer {request.where}; changed since: {', '.join(changed)}"
        raise ResolutionError(lockfile.name, what, hint="run `airlock lock`")
    return 0


def _lock(request: "LockRequest", lockfile: Path, arguments: argparse.Namespace, session: Session) -> int:
    from airlock.connected.lock import changes
    from airlock.formats.lockfile import write_lockfile

    result = _locked(request, session)
    data = write_lockfile(result)
    differs = not lockfile.exists() or lockfile.read_bytes() != data
    found = changes(request.previous, result)
    if differs and not arguments.dry_run:
        from airlock.storage.atomic import write_atomically

        write_atomically(lockfile, data)
    for change in found:
        session.reporter.note(_line(change))
    session.reporter.note(_summary(result, lockfile, differs, arguments.dry_run))
    if arguments.json:
        print_json(_report(found, lockfile, differs))
    return 0


def _locked(request: "LockRequest", session: Session) -> "Lockfile":
    """The no-op is decided here, before anything that knows the network is imported."""
    from airlock.connected.lock import lock, unchanged

    if (same := unchanged(request)) is not None:
        return same
    from airlock.cli.near import near_side

    with near_side(session, request.directory) as near:
        return lock(request, near)


def _line(change: "Change") -> str:
    before, after = ", ".join(change.before), ", ".join(change.after)
    if not before:
        return f"+ {change.name} {after}"
    if not after:
        return f"- {change.name} {before}"
    return (
        f"  {change.name} {before} → {after}" if before != after else f"  {change.name} {after}: another file"
    )


def _summary(result: "Lockfile", lockfile: Path, differs: bool, dry_run: bool) -> str:
    carried = sum(1 for one in result.artifacts if one.targets)
    count = f"{carried} artifacts for {len(result.targets)} target(s)"
    if tools := len(result.artifacts) - carried:
        count += f", and {tools} tools to build with"
    if not differs:
        return f"{lockfile.name} is up to date: {count}"
    return f"{lockfile.name} {'would have' if dry_run else 'has'} {count}"


def _report(found: "tuple[Change, ...]", lockfile: Path, differs: bool) -> dict[str, Any]:
    return {
        "lockfile": lockfile.name,
        "changed": differs,
        "changes": [
            {"kind": one.kind, "name": one.name, "before": list(one.before), "after": list(one.after)}
            for one in found
        ],
    }
