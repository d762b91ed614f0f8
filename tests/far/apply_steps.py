"""`apply` on a disk of the tests: the steps of `replacing`, and its sweeps."""

import errno
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from airlock.airgapped.apply import apply
from airlock.storage.archive import Archive
from airlock.storage.atomic import replacing
from airlock.storage.disk import Disk
from airlock.storage.restore import BundleFrames
from tests.far.faults import FaultyDisk
from tests.far.volatile import Chance, Choice, Everything, Names, Nothing, VolatileDisk

OLD = b"what was there before"


class _Stream(io.RawIOBase):
    """Each write is a change of the disk."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk, self.name, self._size = disk, name, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._disk.append(self.name, bytes(data))
        self._size += len(data)
        return len(data)


class DiskSteps:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def create(self, path: Path) -> tuple[BinaryIO, Path]:
        temporary = path.with_name(f".{path.name[:40]}.under-way.tmp")
        self._disk.write(temporary.name, [], 0o600)
        return cast("BinaryIO", _Stream(self._disk, temporary.name)), temporary

    def sync(self, stream: BinaryIO, mode: int) -> None:
        self._disk.sync(stream.name)

    def rename(self, temporary: Path, path: Path) -> None:
        self._disk.rename(temporary.name, path.name)

    def sync_directory(self, path: Path) -> None:
        self._disk.sync(".")

    def remove(self, temporary: Path) -> None:
        self._disk.remove(temporary.name)


def restored(base: Path, delta: Path, path: Path, disk: Disk | None = None) -> None:
    """What the command does."""
    steps = DiskSteps(disk) if disk else None
    with base.open("rb") as old, delta.open("rb") as update, replacing(path, steps=steps) as out:
        apply(BundleFrames(Archive(old, base.name)), Archive(update, delta.name), out, base.parent)


@dataclass
class ApplySweep:
    folder: Path
    base: Path
    delta: Path
    whole: bytes
    """What comes out where nothing interrupts."""

    def survives(self, folder: Path) -> str:
        """Which of both is there; the next `apply` needs no help and leaves nothing beside."""
        found = (folder / "new.airlock").read_bytes()
        assert found in (OLD, self.whole), "a part of a file"
        restored(self.base, self.delta, folder / "new.airlock")
        assert (folder / "new.airlock").read_bytes() == self.whole
        assert [path.name for path in folder.iterdir()] == ["new.airlock"]
        return "old" if found == OLD else "new"

    def power_cuts(self, chances: int = 2) -> list[str]:
        """What was there after each."""
        out = self._fresh()
        disk = VolatileDisk(out)
        seen: list[str] = []

        def cut() -> None:
            choices: list[Choice] = [Nothing(), Everything(), Names()]
            choices += [Chance(disk.steps * 1000 + number) for number in range(chances)]
            for choice in choices:
                disk.after_a_power_cut(choice, self.folder / "copy")
                seen.append(self.survives(self.folder / "copy"))
                shutil.rmtree(self.folder / "copy")

        disk.before = cut
        restored(self.base, self.delta, out / "new.airlock", disk)
        cut()
        disk.close()
        shutil.rmtree(out)
        return seen

    def faults(self, code: int) -> int:
        for changes in range(100_000):
            out = self._fresh()
            disk = FaultyDisk(out, changes, code)
            try:
                restored(self.base, self.delta, out / "new.airlock", disk)
            except OSError as error:
                assert error.errno == code, errno.errorcode
            disk.close()
            self.survives(out)
            shutil.rmtree(out)
            if disk.left > 0:
                return changes
        raise AssertionError("it never ended")

    def _fresh(self) -> Path:
        out = self.folder / "out"
        out.mkdir()
        (out / "new.airlock").write_bytes(OLD)
        return out
