"""`airlock lock --check`: whether a lock answers its manifest, whoever wrote it.

First by the fingerprints of the manifest's parts, then by meaning: each pin is held against what everything else needs.
A good verdict is kept by the digest of all that it rests on, so that the next one costs a look.
"""

from dataclasses import replace
from pathlib import Path

from airlock import __version__
from airlock.connected.lock import LockRequest, differing, inputs
from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of, hex_of
from airlock.formats.lockfile import write_lockfile
from airlock.kinds import Library, Locked


def judge(request: LockRequest, lock: bytes, library: Library) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts of the manifest that changed since, and, only where there are none, what is wrong with the pins. `lock` is
    the lock's bytes. Asks the network only for metadata that neither cache nor store has. Raises FetchError,
    IntegrityError or UsageError."""
    previous = request.previous
    if previous is None:
        return (), ()
    now = inputs(request.manifest, request.where, request.directory)
    changed = (*differing(now, previous), *(("seeds",) if previous.seeds else ()))
    if changed:
        return changed, ()
    place = _place(library.cache, lock, dict(now))
    if place.exists():
        return (), ()
    from airlock.connected.relations import problems

    locked = Locked(
        lockfile=previous, where="the lock", manifest=request.manifest, manifest_name=request.where
    )
    found = (*_unlike(request, lock), *problems(locked, library))
    if not found:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return (), found


def _place(cache: Path, lock: bytes, now: dict[str, str]) -> Path:
    verdict = {"airlock": __version__, "lock": digest_of(lock), "inputs": now}
    return cache / "verdicts" / hex_of(digest_of(dumps(verdict)))


def _unlike(request: LockRequest, lock: bytes) -> tuple[str, ...]:
    """What the lock says of itself and the manifest says otherwise; and bytes that airlock does not write."""
    previous, manifest = request.previous, request.manifest
    assert previous is not None
    right = replace(
        previous,
        project=manifest.project,
        targets=tuple(declared.target for declared in manifest.targets),
        health=manifest.health,
        exceptions=manifest.exceptions,
    )
    if write_lockfile(right) != write_lockfile(previous):
        return ("its project, targets, health check or exceptions are not those of the manifest",)
    return () if write_lockfile(previous) == lock else ("it is not written as airlock writes it",)
