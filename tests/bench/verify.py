"""Verifying a bundle, against `zstd -d` and `sha256sum` over the same bytes; starting up counts."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import cost_of
from tests.bench.ours import Project
from tests.bench.steps import Done, Step

EACH = 'for frame in "$1"/frames/*; do zstd -dqc "$frame" | sha256sum; done'
ONE = 'cat "$1"/frames/* | zstd -dqc | sha256sum'


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifies:
    """`project` has the bundles; the peers' frames are taken out of the new one into `work` before."""

    project: Project
    work: Path

    def steps(self) -> Iterator[Step]:
        bundle = self.project.bundle("new")
        subprocess.run(["tar", "-xf", str(bundle), "-C", str(self.work), "frames"], check=True)
        yield Step(
            name="verify",
            tools={
                "airlock": lambda place: Done(cost=self.project.verify(bundle)),
                "zstd -d, sha256sum, a frame at a time": lambda place: self.shell(EACH, place),
                "zstd -d, sha256sum, all as one": lambda place: self.shell(ONE, place),
            },
        )

    def shell(self, script: str, place: Path) -> Done:
        return Done(cost=cost_of(("sh", "-euc", script, "sh", str(self.work)), place))
