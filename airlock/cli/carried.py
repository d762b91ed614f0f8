"""What was carried: a file, the volumes of one, or a kit that brings it along; all are read as they are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from airlock.core.reporter import Reporter
    from airlock.storage.volume_set import VolumeSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    where: str
    stream: BinaryIO
    reopen: Callable[[], BinaryIO]
    """The same once more, for a thread of its own."""


@contextmanager
def carried(paths: Sequence[Path], reporter: "Reporter | None" = None) -> Iterator[Carried]:
    """One file; or folders and files with the volumes of a set, of which enough must be there; what
    parity makes up for is told as a note. Raises IntegrityError."""
    if not is_set(paths):
        from airlock.storage.kit import open_carried

        path = paths[0]
        with open_carried(path) as stream:
            yield Carried(where=str(path), stream=stream, reopen=lambda: open_carried(path))
        return
    from airlock.errors import IntegrityError
    from airlock.storage.volume_set import open_set

    with closing(open_set(paths)) as volumes:
        if len(volumes.missing) > volumes.table.parity:
            _refuse(volumes)
        if reporter and (volumes.missing or volumes.strays):
            reporter.note(f"read through parity: {'; '.join(volumes.faults())}")
        try:
            yield carried_by(volumes)
        except IntegrityError:
            if volumes.failed:
                _refuse(volumes)
            raise


def _refuse(volumes: "VolumeSet") -> None:
    """Read all that is there, so that every fault is named at once, and not the next one with the next disc. Raises
    IntegrityError where it does not suffice."""
    from airlock.airgapped.media import check_set, refusal
    from airlock.core.reporter import Silent

    if not (state := check_set(volumes, Silent())).enough:
        raise refusal(volumes, state)


def names_of(paths: Sequence[Path]) -> tuple[str, str]:
    """The name of the file, and which set of volumes it lies on, if it does. Never raises for what is damaged or gone."""
    from airlock.errors import AirlockError
    from airlock.storage.volume_set import open_set

    try:
        if is_set(paths):
            with closing(open_set(paths)) as volumes:
                count = volumes.table.count
                return volumes.table.name, f"from {count} volumes, set {volumes.identity}"
    except (OSError, AirlockError):
        pass
    return paths[0].name, ""


def carried_by(volumes: "VolumeSet") -> Carried:
    from airlock.storage.volume_set import VolumeStream

    def opened() -> BinaryIO:
        return cast("BinaryIO", VolumeStream(volumes))

    where = f"{volumes.table.name} on {volumes.table.count} volumes"
    return Carried(where=where, stream=opened(), reopen=opened)


def is_set(paths: Sequence[Path]) -> bool:
    from airlock.storage.volume import looks_like_a_volume

    return len(paths) > 1 or paths[0].is_dir() or looks_like_a_volume(paths[0])
