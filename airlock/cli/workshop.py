"""What `build` and `delta` begin with: the lock, its targets, a full store and the tools."""

import os
from collections.abc import Sequence
from pathlib import Path

from airlock.cli.session import Session
from airlock.connected.build import Workshop
from airlock.errors import UsageError
from airlock.formats.lockfile import Lockfile, parse_lockfile
from airlock.storage.store import Store


def read_lock(path: Path) -> Lockfile:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(str(path), "no such lock", hint="write it with `airlock lock`") from error
    if data[257:262] == b"ustar":
        hint = "give the lock that it was built from"
        raise UsageError(str(path), "not a lock but a bundle or delta", hint=hint)
    lockfile = parse_lockfile(data, path.name)
    if lockfile.seeds:
        what = f"not locked yet: it only has the versions of {lockfile.seeds[0].source} to start from"
        raise UsageError(str(path), what, hint="run `airlock lock`")
    return lockfile


def note_what_moved(session: Session, lock: Path, lockfile: Lockfile) -> None:
    """Tell where the manifest beside the lock says something else by now. The lock is what gets built all the same."""
    from airlock.connected.lock import differing, inputs
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

    path = lock.with_suffix(".toml")
    if not path.is_file():
        return
    try:
        manifest = parse_manifest(path.read_bytes(), path.name, sections(), path.absolute().parent)
        changed = ", ".join(differing(inputs(manifest, path.name, lock.parent), lockfile))
    except UsageError as error:
        changed = str(error)
    if changed:
        session.reporter.note(
            f"warning: {lock.name} is built as it stands, and no longer answers {path.name}: {changed}"
        )


def chosen_targets(lockfile: Lockfile, names: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """All targets, or those named, each once. Raises UsageError for a name that the lock does not have."""
    if not names:
        return tuple(target.name for target in lockfile.targets)
    return tuple(dict.fromkeys(lockfile.target(name, where).name for name in names))


def fill_store(
    session: Session, lock: Path, lockfile: Lockfile, targets: tuple[str, ...], jobs: int | None
) -> None:
    """Bring what is absent from the store, as `airlock fetch` does."""
    from airlock.cli.near import near_side
    from airlock.connected.fetch import fetch
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

    path = lock.with_suffix(".toml")
    manifest = (
        parse_manifest(path.read_bytes(), path.name, sections(), path.absolute().parent)
        if path.is_file()
        else None
    )
    with near_side(session, lock.parent, manifest.indexes if manifest else None) as near:
        fetch(lockfile, manifest, near, targets=targets, jobs=jobs or processors())


def processors() -> int:
    """As many as this process may use."""
    return len(os.sched_getaffinity(0))


def workshop(session: Session, jobs: int | None, cache: Path | None = None, shuffle: str = "") -> Workshop:
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs", "at least one is needed", found=str(jobs))
    return Workshop(
        store=Store(session.cache / "store"),
        cache=cache or session.cache / "frames",
        reporter=session.reporter,
        jobs=jobs or processors(),
        shuffle=shuffle,
    )
