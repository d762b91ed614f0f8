"""The other tools that make a delta, each as the commands a user would run.

Where a tool has a window, it is as large as the file; where it has a level, the highest.
"""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.bench.measure import NOTHING, Cost, cost_of
from tests.bench.sizes import size_of

XDELTA_WINDOW = 1 << 31
"""xdelta3 takes no larger source window."""
BSDIFF_MEMORY = 9
"""Bytes that bsdiff sorts a byte of the old file in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A delta from one file to another, in a folder of its own."""

    old: Path
    new: Path
    place: Path

    @property
    def patch(self) -> Path:
        return self.place / "patch"

    @property
    def restored(self) -> Path:
        return self.place / "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    name: str
    programs: tuple[str, ...]
    make: Callable[[Job], Cost]
    """Leaves what has to be carried, and nothing else, at `job.patch`, unless `weigh` knows better."""
    apply: Callable[[Job], Cost] | None
    """Leaves the new file at `job.restored`; None where the tool does that over a network alone."""
    weigh: Callable[[Job], int] = lambda job: size_of(job.patch)
    """Bytes to carry."""
    modules: tuple[str, ...] = ()
    largest: int | None = None
    """Bytes of the old file beyond which it is left out."""

    def missing(self, old: int) -> str | None:
        """Why it cannot run here on an old file of this size, if it cannot."""
        absent = [program for program in self.programs if not shutil.which(program)]
        absent += [module for module in self.modules if not find_spec(module)]
        if absent:
            return f"{', '.join(absent)} not installed"
        if self.largest and old > self.largest:
            return f"left out over {self.largest // 10**6} MB: it would take hours"
        return None


def _command(*words: str) -> Callable[[Job], Cost]:
    def run(job: Job) -> Cost:
        names = {"old": job.old, "new": job.new, "patch": job.patch, "restored": job.restored}
        return cost_of([word.format(**names) for word in words], job.place)

    return run


def _zstd() -> Peer:
    return Peer(
        name="zstd -19 --long=31 --patch-from",
        programs=("zstd",),
        make=_command("zstd", "-19", "--long=31", "-qf", "--patch-from={old}", "{new}", "-o", "{patch}"),
        apply=_command("zstd", "-d", "--long=31", "-qf", "--patch-from={old}", "{patch}", "-o", "{restored}"),
    )


def _xdelta(secondary: str) -> Peer:
    def window(job: Job) -> int:
        return min(max(size_of(job.old), 1 << 20), XDELTA_WINDOW)

    def make(job: Job) -> Cost:
        return _command(
            "xdelta3",
            "-e",
            "-9",
            "-S",
            secondary,
            "-B",
            str(window(job)),
            "-f",
            "-s",
            "{old}",
            "{new}",
            "{patch}",
        )(job)

    def apply(job: Job) -> Cost:
        return _command(
            "xdelta3", "-d", "-B", str(window(job)), "-f", "-s", "{old}", "{patch}", "{restored}"
        )(job)

    return Peer(name=f"xdelta3 -9 -S {secondary} -B", programs=("xdelta3",), make=make, apply=apply)


def _bsdiff(largest: int) -> Peer:
    return Peer(
        name="bsdiff",
        programs=("bsdiff", "bspatch"),
        make=_command("bsdiff", "{old}", "{new}", "{patch}"),
        apply=_command("bspatch", "{old}", "{restored}", "{patch}"),
        largest=largest,
    )


def _hdiffpatch() -> Peer:
    program = (sys.executable, str(Path(__file__).with_name("hdiff.py")))
    return Peer(
        name="HDiffPatch, lzma2 -9",
        programs=(),
        modules=("hdiffpatch",),
        make=_command(*program, "make", "{old}", "{new}", "{patch}"),
        apply=_command(*program, "apply", "{old}", "{patch}", "{restored}"),
    )


def _casync() -> Peer:
    """Chunks of the new file that the old has not, and the new file's index; the old file is the seed."""

    def make(job: Job) -> Cost:
        cost = NOTHING
        for side, path in (("old", job.old), ("new", job.new)):
            index = job.place / f"{side}.caibx"
            store = job.place / f"{side}.castr"
            cost += cost_of(
                ("casync", "make", "--what=blob-index", f"--store={store}", str(index), str(path)), job.place
            )
        job.patch.mkdir()
        (job.place / "new.caibx").rename(job.patch / "new.caibx")
        _move_new_chunks(job.place / "old.castr", job.place / "new.castr", job.patch / "chunks.castr")
        return cost

    def apply(job: Job) -> Cost:
        return _command(
            "casync", "extract", "--what=blob-index", "--store={patch}/chunks.castr", "--seed={old}",
            "{patch}/new.caibx", "{restored}",
        )(job)  # fmt: skip

    return Peer(name="casync", programs=("casync",), make=make, apply=apply)


def _move_new_chunks(old: Path, new: Path, target: Path) -> None:
    target.mkdir()
    for chunk in new.rglob("*.cacnk"):
        name = chunk.relative_to(new)
        if not (old / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            chunk.rename(target / name)


def _zchunk() -> Peer:
    """It has no delta as a file: it says what it would download."""

    def make(job: Job) -> Cost:
        cost = NOTHING
        for side, path in (("old", job.old), ("new", job.new)):
            cost += cost_of(("zck", "-o", f"{side}.zck", str(path)), job.place)
        return cost + cost_of(("zck_delta_size", "old.zck", "new.zck"), job.place)

    return Peer(
        name="zchunk",
        programs=("zck", "zck_delta_size"),
        make=make,
        apply=None,
        weigh=lambda job: would_download((job.place / "output.log").read_text()),
    )


def would_download(output: str) -> int:
    """Bytes, from what zck_delta_size prints. Raises ValueError."""
    found = re.search(r"Would download (\d+) of", output)
    if not found:
        raise ValueError(f"zck_delta_size printed {output!r}")
    return int(found[1])


def peers(bsdiff_largest: int) -> dict[str, Peer]:
    return {
        "zstd": _zstd(),
        "xdelta3-djw": _xdelta("djw"),
        "xdelta3-lzma": _xdelta("lzma"),
        "hdiffpatch": _hdiffpatch(),
        "bsdiff": _bsdiff(bsdiff_largest),
        "casync": _casync(),
        "zchunk": _zchunk(),
    }
