"""`airlock lock merge-driver BASE OURS THEIRS [PATH]`: what git calls where both sides changed a lock."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session
from airlock.errors import AirlockError, UsageError

if TYPE_CHECKING:
    from airlock.formats.lockfile import Lockfile

CONFLICT = 1
"""To git: not merged."""


def merge(words: Sequence[str], manifest: Path, session: Session) -> int:
    """Writes OURS. Returns 0 where it is a lock that answers the merged manifest; else 1, and OURS has what both sides chose,
    for the next `airlock lock` to start from."""
    from airlock.cli.lock import DRIVER
    from airlock.connected.merge import merged_start
    from airlock.formats.lockfile import write_lockfile
    from airlock.storage.atomic import write_atomically

    if words[0] != DRIVER or len(words) not in (4, 5):
        raise UsageError(
            "airlock lock", f"cannot be meant: {' '.join(words)!r}", hint=f"{DRIVER} BASE OURS THEIRS [PATH]"
        )
    base, ours, theirs = (_read(Path(word)) for word in words[1:4])
    if ours is None or theirs is None:
        raise UsageError("airlock lock", "one side has no lock", hint="run `airlock lock` after the merge")
    start = merged_start(base, ours, theirs)
    path = Path(words[4]) if len(words) == 5 else manifest.with_suffix(".lock")
    result = _resolved(start, path, Path(words[3]).read_bytes(), session)
    write_atomically(Path(words[2]).absolute(), write_lockfile(result or start))
    return 0 if result else CONFLICT


def _read(path: Path) -> "Lockfile | None":
    from airlock.formats.lockfile import parse_lockfile

    data = path.read_bytes()
    return parse_lockfile(data, path.name) if data.strip() else None


def _resolved(start: "Lockfile", path: Path, theirs: bytes, session: Session) -> "Lockfile | None":
    """None, and a warning, where the lock must wait for a person."""
    from airlock.cli.lock import request_for
    from airlock.cli.near import near_side
    from airlock.connected.git import Merge
    from airlock.connected.lock import lock
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds import Upgrade
    from airlock.kinds.registry import sections

    manifest = path.with_suffix(".toml")
    merged = Merge(environment=session.environment, path=str(path)).beside(str(manifest), theirs)
    then = f"once {manifest.name} is merged, run `airlock lock`: it starts from what both sides chose"
    if merged is None:
        session.reporter.warn(f"{path.name} is not resolved: {then}")
        return None
    request = request_for(manifest, path, session, Upgrade())
    try:
        request = replace(request, manifest=parse_manifest(merged, manifest.name, sections()), previous=start)
        with near_side(session, request.directory) as near:
            return lock(request, near)
    except AirlockError as error:
        session.reporter.warn(f"{path.name} is not resolved: {error}; {then}")
        return None
