"""`airlock lock`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import add_level
from airlock.cli.session import Session, print_json
from airlock.errors import FetchError, ResolutionError, UsageError
from airlock.kinds import Upgrade

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.connected.lock import LockRequest
    from airlock.formats.lockfile import Lockfile

DRIVER = "merge-driver"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="*",
        metavar=f"{DRIVER} BASE OURS THEIRS",
        help="for git: merge two locks into OURS (docs/lock.md)",
    )
    parser.add_argument(
        "--manifest", type=Path, default=Path("airlock.toml"), metavar="FILE", help="default: %(default)s"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say whether the lock answers the manifest")
    what.add_argument("--dry-run", action="store_true", help="say what would change, write nothing")
    what.add_argument(
        "--cross-check",
        action="store_true",
        help="lock, and compare with what pip-compile comes to; differences exit with 3",
    )
    parser.add_argument("-U", "--upgrade", action="store_true", help="let every pin move")
    parser.add_argument(
        "-P",
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="let this pin move (may be repeated)",
    )
    parser.add_argument("--only", action="store_true", help="with -P: fail if anything else would move")
    parser.add_argument(
        "--exhaustive",
        action="store_true",
        help="try every release, also in long runs of them that look to be in vain",
    )
    add_level(parser, "for this lock's bundles (default: what the lock has)")
    parser.add_argument(
        "--codecs",
        choices=("portable/1", "native/1", "native/2"),
        help="what expanded forms rest on (default: what the lock has, or the most that is at hand)",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")


def run(arguments: argparse.Namespace, session: Session) -> int:
    if arguments.action:
        from airlock.cli.merge_driver import merge

        return merge(arguments.action, arguments.manifest, session)
    if arguments.only and not arguments.upgrade_package:
        raise UsageError("--only", "says what -P may move", hint="name it: -P NAME --only")
    manifest: Path = arguments.manifest
    lockfile = manifest.with_suffix(".lock")
    request = request_for(manifest, lockfile, session, _upgrade(arguments))
    request = replace(
        request, level=arguments.level, codecs=arguments.codecs, exhaustive=arguments.exhaustive
    )
    if arguments.check:
        return _check(request, lockfile, arguments.json, session)
    return _lock(request, lockfile, arguments, session)


def _upgrade(arguments: argparse.Namespace) -> Upgrade:
    from packaging.utils import canonicalize_name

    return Upgrade(
        everything=arguments.upgrade,
        names=frozenset(canonicalize_name(name) for name in arguments.upgrade_package),
    )


def request_for(manifest: Path, lockfile: Path, session: Session, upgrade: Upgrade) -> "LockRequest":
    from airlock.connected.lock import LockRequest
    from airlock.formats.lockfile import parse_lockfile
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

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
        upgrade=upgrade,
        now=_now(session),
    )


def _now(session: Session) -> "datetime":
    from datetime import UTC, datetime

    return datetime.fromtimestamp(session.now(), UTC)


def _check(request: "LockRequest", lockfile: Path, as_json: bool, session: Session) -> int:
    from airlock.cli.locked import library
    from airlock.connected.check import judge

    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    if request.previous is not None:
        with library(session, request.directory) as shelves:
            changed, problems = judge(request, lockfile.read_bytes(), shelves)
    if as_json:
        fine = request.previous is not None and not changed and not problems
        print_json(
            {
                "lockfile": lockfile.name,
                "up_to_date": fine,
                "changed_inputs": list(changed),
                "problems": list(problems),
            }
        )
    if request.previous is None:
        raise ResolutionError(lockfile.name, "there is no lock", hint="run `airlock lock`")
    if changed:
        what = f"does not answer {request.where}, where this changed: {', '.join(changed)}"
        raise ResolutionError(lockfile.name, what, hint="run `airlock lock`")
    if problems:
        what = "\n  ".join([f"does not answer {request.where}:", *problems])
        raise ResolutionError(lockfile.name, what, hint="run `airlock lock`")
    return 0


def _lock(request: "LockRequest", lockfile: Path, arguments: argparse.Namespace, session: Session) -> int:
    from airlock.connected.own_version import differing_version
    from airlock.formats.lockfile import write_lockfile

    if warning := differing_version(request.manifest, request.directory):
        session.reporter.warn(warning)
    result = locked(request, lockfile, session)
    data = write_lockfile(result)
    differs = request.previous is None or lockfile.read_bytes() != data
    if arguments.only:
        _check_only(request, result)
    if differs and not arguments.dry_run:
        from airlock.storage.atomic import write_atomically

        write_atomically(lockfile, data)
        _look_again(request, result, lockfile, session)
    if differs or arguments.json or arguments.dry_run:
        from airlock.cli.lock_report import apart, report, tell

        tell(request.previous, result, session, dry_run=arguments.dry_run and not arguments.json)
        for text in apart(result):
            session.reporter.note(text)
        if arguments.json and not arguments.cross_check:
            print_json(report(request.previous, result, lockfile, differs))
    session.reporter.note(_summary(result, lockfile, differs, arguments.dry_run))
    if arguments.cross_check:
        from airlock.cli.cross_check import cross_check

        return cross_check(request, result, session, arguments.json)
    return 0


def locked(request: "LockRequest", lockfile: Path, session: Session) -> "Lockfile":
    """The no-op is decided here, before anything that knows the network is imported."""
    from airlock.connected.lock import lock, unchanged

    same = unchanged(request)
    if same is not None:
        if not (problems := _doubts(request, lockfile, session)):
            return same
        session.reporter.warn(f"{lockfile.name} contradicts itself, and is locked anew: {problems[0]}")
        request = replace(request, doubtful=True)
    from airlock.cli.near import near_side

    indexes = request.manifest.indexes
    with near_side(session, request.directory, indexes, expecting="default" not in indexes) as near:
        return lock(request, near)


def _doubts(request: "LockRequest", lockfile: Path, session: Session) -> tuple[str, ...]:
    """What `--check` finds, as far as it can be found without the network."""
    from airlock.connected.check import judge
    from airlock.kinds import Library, NearSide
    from airlock.storage.store import Store

    def no_network() -> NearSide:
        raise FetchError(lockfile.name, "metadata is not at hand")

    library = Library(cache=session.cache, store=Store(session.cache / "store"), near=no_network)
    try:
        return judge(request, lockfile.read_bytes(), library)[1]
    except FetchError:
        return ()


def _look_again(request: "LockRequest", result: "Lockfile", lockfile: Path, session: Session) -> None:
    """A new lock is judged at once, while all that it rests on is at hand."""
    for problem in _doubts(replace(request, previous=result), lockfile, session):
        session.reporter.warn(f"{lockfile.name}: {problem}")


def _check_only(request: "LockRequest", result: "Lockfile") -> None:
    from airlock.cli.lock_report import line
    from airlock.connected.changes import changes, strangers

    others = strangers(changes(request.previous, result), request.upgrade.names)
    if others:
        names = ", ".join(sorted(request.upgrade.names))
        what = "\n  ".join([f"{names} cannot move alone; these would move with it:", *map(line, others)])
        hint = f"allow it: {' '.join(f'-P {one.name}' for one in others)}, or leave out --only"
        raise ResolutionError(request.where, what, hint=hint)


def _summary(result: "Lockfile", lockfile: Path, differs: bool, dry_run: bool) -> str:
    carried = sum(1 for one in result.artifacts if one.targets)
    count = f"{carried} artifacts for {len(result.targets)} target(s)"
    if tools := len(result.artifacts) - carried:
        count += f", and {tools} tools to build with"
    if not differs:
        return f"{lockfile.name} is up to date: {count}"
    return f"{lockfile.name} would have {count}" if dry_run else f"{lockfile.name} has {count}"
