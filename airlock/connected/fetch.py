"""`airlock fetch`: fill the store with everything that a lock names, in parallel, and tell every failure at once."""

import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest
from airlock.core.reporter import Reporter
from airlock.errors import AirlockError, FetchError
from airlock.formats.lockfile import Lockfile
from airlock.formats.manifest import Manifest
from airlock.kinds import Kind, NearSide
from airlock.kinds.registry import kind_named

TASK = "fetch"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    present: tuple[Artifact, ...]
    """What the store had before."""
    fetched: tuple[Artifact, ...]

    @property
    def fetched_size(self) -> int:
        """Bytes."""
        return sum(artifact.size for artifact in self.fetched)


def fetch(
    lockfile: Lockfile,
    manifest: Manifest | None,
    near: NearSide,
    *,
    targets: Collection[str] = (),
    jobs: int = 8,
    kind_of: Callable[[str, str], Kind] = kind_named,
) -> FetchResult:
    """Bring every artifact of `targets` (all of the lock's where there are none) into the store. Reports one task, in
    bytes. Every artifact is tried; what was had stays. Raises UsageError for an unknown target, the one failure where
    there is one, and else a FetchError that lists them."""
    wanted = _wanted(lockfile, targets)
    absent = [artifact for artifact in wanted if artifact.digest not in near.store]
    present = tuple(artifact for artifact in wanted if artifact.digest in near.store)
    near = replace(near, locked=lockfile.artifacts)
    failures = _obtain_all(absent, manifest, near, jobs, kind_of) if absent else []
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise FetchError(
            "fetch",
            f"{len(failures)} of {len(wanted)} artifacts could not be had",
            found="; ".join(str(failure) for failure in failures),
            hint="the others are in the store; run the command again for what is missing",
        )
    return FetchResult(present=present, fetched=tuple(absent))


def _wanted(lockfile: Lockfile, targets: Collection[str]) -> list[Artifact]:
    """Each blob once, in the order of the lock."""
    names = {lockfile.target(name).name for name in targets} or {target.name for target in lockfile.targets}
    wanted: dict[Digest, Artifact] = {}
    for locked in lockfile.artifacts:
        if names.intersection(locked.targets):
            wanted.setdefault(locked.artifact.digest, locked.artifact)
    return list(wanted.values())


def _obtain_all(
    absent: Collection[Artifact],
    manifest: Manifest | None,
    near: NearSide,
    jobs: int,
    kind_of: Callable[[str, str], Kind],
) -> list[AirlockError]:
    stop = threading.Event()

    def obtain(artifact: Artifact) -> None:
        share = _Share(near.reporter, artifact.size, stop)
        kind_of(artifact.kind, artifact.label).obtain(artifact, manifest, replace(near, reporter=share))
        share.complete()

    near.reporter.start(TASK, sum(artifact.size for artifact in absent))
    try:
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            try:
                return list(_failures([pool.submit(obtain, artifact) for artifact in absent]))
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        near.reporter.finish(TASK)


def _failures(tries: Iterable[Future[None]]) -> Iterable[AirlockError]:
    for future in tries:
        try:
            future.result()
        except AirlockError as error:
            yield error


class _Share:
    """One artifact's part of the one task: whatever its kind reports moves the sum forward, by its size in the end and
    never by more. A kind that reports after the user interrupted is interrupted too."""

    def __init__(self, reporter: Reporter, size: int, stop: threading.Event) -> None:
        self._reporter, self._left, self._stop = reporter, size, stop

    def start(self, task: str, total: int | None) -> None: ...

    def advance(self, task: str, amount: int) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        amount = min(amount, self._left)
        self._left -= amount
        self._reporter.advance(TASK, amount)

    def finish(self, task: str) -> None: ...

    def complete(self) -> None:
        self.advance(TASK, self._left)

    def note(self, text: str) -> None:
        self._reporter.note(text)

    def warn(self, text: str) -> None:
        self._reporter.warn(text)
