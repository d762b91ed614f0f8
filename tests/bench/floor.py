"""What no install and no update can do without, on this machine and disk: the same files made by two threads out of memory, and
every byte decompressed and hashed by two threads. Nothing is parsed, made of other files, recorded or started up."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

from airlock.core.canonical_json import MAX_SIZE
from airlock.formats.index import INDEX, Expanded, frame_name, parse_index
from airlock.storage.archive import Archive
from airlock.storage.disk import KeptFile, NewFile, RealDisk
from airlock.storage.frames import decompress_whole
from tests.bench.measure import Cost
from tests.bench.ours import Project
from tests.bench.steps import Done, Step

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """`project` has the wheels and the bundles of both sides."""

    project: Project

    def steps(self) -> Iterator[Step]:
        yield Step(
            name="lower bounds",
            tools={
                "the new side's files, hashed and written": lambda place: self.written(place, sync=False),
                "the same, and synced": lambda place: self.written(place, sync=True),
                "the new bundle's contents, decompressed and hashed": self.decompressed,
                "what an update leaves, hashed and linked, and the rest written": self.updated,
            },
        )

    def written(self, place: Path, *, sync: bool) -> Done:
        disk, files = RealDisk(place), rows(self.files("new"))

        def work() -> None:
            disk.write_all(files)
            if sync:
                disk.sync()

        return Done(cost=cost_here(work))

    def updated(self, place: Path) -> Done:
        old, new = self.files("old"), self.files("new")
        disk = RealDisk(place)
        known = dict(zip(old, disk.write_all(rows(old, "old/")), strict=True))
        kept = [name for name, data in new.items() if old.get(name) == data]
        links = [KeptFile(f"new/{name}", f"old/{name}", 0o644, len(new[name]), known[name]) for name in kept]
        changed = rows({name: data for name, data in new.items() if name not in set(kept)}, "new/")

        def work() -> None:
            disk.link_all(links)
            disk.write_all(changed)

        return Done(cost=cost_here(work))

    def decompressed(self, place: Path) -> Done:
        bundle = self.project.bundle("new")
        with bundle.open("rb") as stream:
            archive = Archive(stream, bundle.name)
            index = parse_index(archive.read(INDEX, MAX_SIZE), bundle.name)
            forms = {entry.expanded.digest: entry.expanded for entry in index.entries}
            frames = {digest: archive.open(frame_name(digest)).read() for digest in forms}

        def check(form: Expanded) -> None:
            decompress_whole(frames[form.digest], form.digest, form.size, bundle.name)

        def work() -> None:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(check, sorted(forms.values(), key=lambda form: -form.size)))

        return Done(cost=cost_here(work))

    def files(self, side: str) -> Files:
        found: dict[str, bytes] = {}
        for wheel in sorted(self.project.wheels(side).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                found |= {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        return found


def rows(files: Files, folder: str = "") -> list[NewFile]:
    return [NewFile(folder + name, 0o644, data, 0, len(data)) for name, data in files.items()]


def cost_here(work: Callable[[], None]) -> Cost:
    """Of this process, whose memory is not told: it holds the files."""
    before, start = getrusage(RUSAGE_SELF), perf_counter()
    work()
    wall, after = perf_counter() - start, getrusage(RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall=wall, cpu=cpu, memory=0)
