"""Discs: a bundle of a gigabyte of noise in five volumes, two of them parity, one lost and one damaged."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Cost, cost_of
from tests.bench.ours import AIRLOCK
from tests.bench.sizes import sha256_of
from tests.bench.steps import Done, Step

SIZE = 1_000_000_000
PART = "340M"
MANIFEST = """\
[project]
name = "discs"
version = "1.0.0"

[[target]]
name = "site"
python = "3.11"
platform = "manylinux_2_28_x86_64"

[[file]]
path = "noise"
destination = "share/noise"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discs:
    """Everything is below `work`: the bundle, and its volumes."""

    work: Path

    def steps(self) -> Iterator[Step]:
        self.prepare()
        yield Step(
            name="split 1 GB",
            tools={
                "airlock": lambda place: self.split(place / "volumes", "0"),
                "airlock, 2 parity": lambda place: self.split(place / "volumes", "2"),
                "split -b": lambda place: Done(
                    cost=cost_of(("split", "-b", "340MB", str(self.bundle), str(place / "part")), place)
                ),
            },
        )
        yield Step(name="verify 5 volumes", tools={"airlock": self.verify, "sha256sum": self.sums})
        yield Step(
            name="join",
            tools={
                "airlock": lambda place: self.join(place, "whole"),
                "airlock, 1 lost and 1 damaged of 5": lambda place: self.join(place, "hurt"),
                "cat": lambda place: Done(
                    cost=cost_of(("sh", "-euc", 'cat "$1"/* > joined', "sh", str(self.work / "plain")), place)
                ),
            },
        )

    @property
    def bundle(self) -> Path:
        return next((self.work / "dist").glob("*.airlock"))

    def airlock(self, *arguments: str) -> Cost:
        return cost_of((*AIRLOCK, *arguments), self.work, {"AIRLOCK_CACHE": str(self.work / "cache")})

    def prepare(self) -> None:
        with (self.work / "noise").open("wb") as noise:
            for _ in range(SIZE // 1_000_000):
                noise.write(os.urandom(1_000_000))
        (self.work / "airlock.toml").write_text(MANIFEST)
        for arguments in (("lock",), ("build",)):
            self.airlock(*arguments)
        for name in ("root", "release"):
            self.airlock("key", "new", name, "--no-passphrase")
        shutil.rmtree(self.work / "cache")
        (self.work / "noise").unlink()
        self.airlock("trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "root.json")
        self.airlock("sign", str(self.bundle), "--key", "release.key")
        self.split(self.work / "whole", "2")
        self.split(self.work / "plain", "0")
        (self.work / "hurt").mkdir()
        for number, volume in enumerate(sorted((self.work / "whole").iterdir())):
            if number not in (1, 2):
                (self.work / "hurt" / volume.name).hardlink_to(volume)
        hurt = Path(shutil.copy(sorted((self.work / "whole").iterdir())[2], self.work / "hurt"))
        with hurt.open("r+b") as stream:
            for place in range(100 << 20, 110 << 20, 1 << 20):
                stream.seek(place)
                stream.write(bytes(2048))

    def split(self, folder: Path, parity: str) -> Done:
        return Done(
            cost=self.airlock(
                "split", str(self.bundle), "--size", PART, "--parity", parity, "-o", str(folder)
            )
        )

    def verify(self, place: Path) -> Done:
        return Done(cost=self.airlock("verify", str(self.work / "whole"), "--trust", "root.json"))

    def sums(self, place: Path) -> Done:
        files = map(str, sorted((self.work / "whole").iterdir()))
        return Done(cost=cost_of(("sha256sum", *files), place))

    def join(self, place: Path, folder: str) -> Done:
        joined = place / "joined"
        cost = self.airlock("join", str(self.work / folder), "-o", str(joined))
        if sha256_of(joined) != sha256_of(self.bundle):
            sys.exit(f"failed: {folder} was joined to another file")
        return Done(cost=cost)
