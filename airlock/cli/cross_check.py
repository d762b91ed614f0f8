"""`airlock lock --cross-check`: the lock beside what pip-compile comes to."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from airlock.cli.session import Session, print_json
from airlock.errors import ResolutionError

if TYPE_CHECKING:
    from airlock.connected.lock import LockRequest
    from airlock.formats.lockfile import Lockfile
    from airlock.kinds import Disagreement


def cross_check(request: "LockRequest", result: "Lockfile", session: Session, as_json: bool) -> int:
    """Returns the exit code: that of a lock that does not answer where the two disagree."""
    from airlock.cli.locked import library
    from airlock.connected.relations import second_opinion
    from airlock.kinds import Locked

    locked = Locked(lockfile=result, where="the lock", manifest=request.manifest, manifest_name=request.where)
    with library(session, request.directory) as shelves:
        found = second_opinion(locked, shelves)
    if as_json:
        print_json({"agrees": not found, "disagreements": [asdict(one) for one in found]})
    else:
        for one in found:
            print(_line(one))
    session.reporter.note(
        f"pip-compile disagrees about {len(found)}" if found else "pip-compile comes to the same"
    )
    return ResolutionError.exit_code if found else 0


def _line(one: "Disagreement") -> str:
    return f"{one.name}: airlock {one.ours or 'none'}, pip-compile {one.theirs or 'none'} [{one.target}]"
