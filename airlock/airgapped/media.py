"""Whether the volumes of a set are as they were made: every file named, every fault told at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError
from airlock.storage.volume import Volume
from airlock.storage.volume_set import Stray, VolumeSet, needed, unreadable

_TASK = "Checking volumes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """One file that is a volume of the set."""

    number: int
    where: str
    faults: tuple[str, ...]
    blocks: tuple[int, ...]
    """Of its share, those that are damaged or cannot be read."""

    @property
    def sentence(self) -> str:
        blocks = [unreadable(self.blocks)] if self.blocks else []
        return "; ".join([*self.faults, *blocks])


@dataclass(frozen=True, slots=True, kw_only=True)
class SetState:
    files: tuple[FileState, ...]
    missing: tuple[int, ...]
    strays: tuple[Stray, ...]
    incomplete: tuple[int, ...]
    """The volumes of which some block is not at hand."""
    enough: bool
    """Whether what is there makes the file again."""

    @property
    def whole(self) -> bool:
        return not (self.missing or self.strays or any(file.sentence for file in self.files))


def check_set(volumes: VolumeSet, reporter: Reporter) -> SetState:
    """Read every byte of every volume that is at hand."""
    copies = [volume for copies in volumes.volumes.values() for volume in copies]
    reporter.start(_TASK, sum(volumes.table.share(volume.number) for volume in copies))
    files = tuple(_file_state(volume, volumes, reporter) for volume in copies)
    reporter.finish(_TASK)
    lost = {number: _lost(number, files) for number in volumes.volumes}
    return SetState(
        files=files,
        missing=volumes.missing,
        strays=volumes.strays,
        incomplete=tuple(sorted([*volumes.missing, *(number for number in lost if lost[number])])),
        enough=_enough(volumes, Counter(block for blocks in lost.values() for block in blocks)),
    )


def _file_state(volume: Volume, volumes: VolumeSet, reporter: Reporter) -> FileState:
    bad: list[int] = []
    for block in range(volumes.table.blocks(volume.number)):
        data = volume.block(block)
        if data is None or not volumes.is_block(volume.number, block, data):
            bad.append(block)
        reporter.advance(_TASK, volumes.table.length(volume.number, block))
    return FileState(number=volume.number, where=volume.where, faults=volume.faults, blocks=tuple(bad))


def _lost(number: int, files: Sequence[FileState]) -> frozenset[int]:
    """The blocks that no copy of a volume has."""
    first, *others = (frozenset(file.blocks) for file in files if file.number == number)
    return first.intersection(*others)


def _enough(volumes: VolumeSet, lost: Counter[int]) -> bool:
    """In each stripe no more may be unknown than parity makes up for. A stripe that the short last volume does not reach can
    do with one more missing, which is not counted on here."""
    return len(volumes.missing) + max(lost.values(), default=0) <= volumes.table.parity


def sentences(volumes: VolumeSet, state: SetState) -> Iterator[str]:
    """One line a fault."""
    for number in state.missing:
        yield f"{volumes.table.label(number)}: missing"
    for file in state.files:
        if file.sentence:
            yield f"{file.where}: {volumes.table.label(file.number)}: {file.sentence}"
    for stray in state.strays:
        yield f"{stray.where}: {stray.why}"


def refusal(volumes: VolumeSet, state: SetState) -> IntegrityError:
    """What a set that does not suffice is refused with."""
    where = f"{volumes.table.name}, set {volumes.identity[7:15]}"
    hint = f"bring {needed(volumes.table, state.incomplete)}"
    return IntegrityError(where, "; ".join(sentences(volumes, state)), hint=hint)
