"""One thing that several tools do, in alternating runs, so that noise meets them all."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.measure import Cost, median_cost
from tests.bench.report import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    cost: Cost
    bytes: int | None = None
    """Of what was made, where it is carried."""


Runner = Callable[[Path], Done]
"""Called with a fresh folder, which stays until nothing more is measured: where a tree was just removed, ext4 looks long for
inodes to give to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    name: str
    tools: Mapping[str, Runner | str]
    """Ours first. A string says why a tool does not run."""
    once: bool = False
    """It is too slow to repeat."""


def run(step: Step, rounds: int, work: Path) -> Iterator[Measured]:
    found: dict[str, list[Done]] = {name: [] for name in step.tools}
    for _ in range(1 if step.once else rounds):
        for name, runner in step.tools.items():
            if not isinstance(runner, str):
                found[name].append(_fresh(runner, work))
    for name, runner in step.tools.items():
        measured = _measured(step.name, name, runner, found[name])
        print(f"{step.name}: {name}: {measured.cost or measured.absent}", file=sys.stderr, flush=True)
        yield measured


def _fresh(runner: Runner, work: Path) -> Done:
    return runner(Path(mkdtemp(dir=work)))


def _measured(step: str, tool: str, runner: Runner | str, found: list[Done]) -> Measured:
    if isinstance(runner, str):
        return Measured(step=step, tool=tool, cost=None, absent=runner)
    return Measured(
        step=step, tool=tool, cost=median_cost([done.cost for done in found]), bytes=found[-1].bytes
    )
